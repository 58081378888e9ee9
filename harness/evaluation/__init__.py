"""Evaluation: official answers and a log-likelihood measure, in a process that loads no plugin.

`launch` starts that process and is light to import; everything else here needs the extra `[run]`.
"""
