"""An isolated Python that makes files: what it imports never weighs on the process that asked."""

from __future__ import annotations

import os
import subprocess
import sys

from harness.errors import SourceError
from harness.processes.import_paths import isolated

LONGEST_S = 1_200
"""Longest fetch or conversion: it takes 45 s on two cores."""


def run_python(arguments: list[str], what: str, otherwise: str, limit_s: float = LONGEST_S) -> None:
    """Run an isolated Python that makes files, and wait for it.

    Args:
        arguments: of Python.
        what: what it does, for messages.
        otherwise: what to do when it fails, for messages.
        limit_s: the longest that it may take.

    Raises:
        SourceError: it failed, or took longer than `limit_s`.
    """
    environment = isolated(os.environ) | {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-I", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, env=environment
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{what}: no end after {limit_s:g} s; try again") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise SourceError(f"{what} failed: {lines[-1].strip()}; {otherwise}")
