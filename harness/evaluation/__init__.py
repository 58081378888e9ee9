"""Evaluation: official labels, a log-likelihood measure beside them, and what both are worth.

`answers`, `rows`, `published`, `statistics`, `references` and `rescore` are light and work without
the extra `[run]`. Everything else runs in a process of its own that loads no plugin; `launch`
starts it.
"""
