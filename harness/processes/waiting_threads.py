"""How the threads of torch wait for each other, in clients and in the evaluating process."""

from __future__ import annotations

import os

WAITING: dict[str, str] = {"GOMP_SPINCOUNT": "2000", "OMP_WAIT_POLICY": "PASSIVE"}
"""Environment variables: by looking some microseconds, then asleep. Without a look, two threads on
two idle cores take 3.1 s for two smoke steps instead of 1.5; those that look for long stop each
other's work on a busy machine: 18.8 s, and 4.4 so (`bench/speed/spinning.py`). The first is of
GNU's OpenMP, which torch's wheels for Linux have; others follow the second."""


def let_threads_sleep() -> None:
    """Set these variables where nobody has; to be called before torch is imported."""
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
