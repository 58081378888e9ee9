"""Scores from readings: recounts, leaks, statistics. Light: no model and no numeric package.

`verify`, `import`, `rescore` and the evaluation itself share these functions, so that a score
cannot mean two things.
"""
