"""A process that repeats a run looks, from its children, like one that runs it for the first time.

What repeats must not tell from what it sees that it repeats: a plugin that knew would return what
is on the record. A child sees its own arguments and variables, and those of every process in
`/proc`; so the process that repeats gives up what names the original, before it starts a child.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.processes.passed_on import pass_on

PLAIN = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|LANG|LANGUAGE|LC_.*|TMPDIR|XDG_.*|PIP_.*"
    "|LD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*|ROCM_PATH|OMP_.*|KMP_.*|GOMP_.*|MKL_.*|OPENBLAS_.*"
    "|PYTORCH_.*|BNB_CUDA_VERSION"
    "|HF_.*|HARNESS_.*|FLWR_.*|RAY_.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE|(?i:https?_proxy|no_proxy|all_proxy)"
)
"""Variables that a run may need, and that say nothing of what called it. `OLDPWD`, `_`, what tox,
pytest and workflows set, and all others are left out."""

NEEDED = ("PATH", "HOME")
"""Kept whatever they hold: without them programs and caches are not found."""

ARGUMENTS_FIELD = 48
"""Place in /proc/self/stat of where the arguments begin; their end, and begin and end of the
variables follow. Source: proc_pid_stat(5), counted from 1."""

PR_SET_DUMPABLE = 4
"""Source: linux/prctl.h. Others of the same user can then read neither the variables that a process
was started with, nor its open files, folder and memory."""


def plain_environment(environ: Mapping[str, str], hidden: Sequence[str] = ()) -> dict[str, str]:
    """Return the variables that a run may need and that name nothing of `hidden`."""
    return {
        name: value
        for name, value in environ.items()
        if PLAIN.fullmatch(name) and (name in NEEDED or not any(text in value for text in hidden))
    }


def take_plain_looks(command: Sequence[str], folder: Path, hidden: Sequence[str]) -> None:
    """Make this process, and the children that it will start, look like a run in `folder`.

    Variables are dropped, the current folder becomes `folder`, and on Linux the command line that
    others see becomes `command`, and what the process was started with cannot be read any more. A
    file's name would be seen in a child's list of open files, and a terminal's modes be changed, so
    what is said goes to either by a thread.

    Args:
        command: arguments of a plain run.
        folder: where it stands.
        hidden: texts that no variable may hold: what names the original.
    """
    kept = plain_environment(os.environ, hidden) | {"PWD": str(folder)}
    for name in os.environ.keys() - kept.keys():
        del os.environ[name]
    os.environ.update(kept)  # every variable gets memory of its own, apart from the first ones
    os.chdir(folder)
    sys.argv[1:] = command[1:]
    sys.orig_argv[:] = [sys.executable, *command]
    pass_on()
    if sys.platform == "linux":
        _overwrite([sys.executable, *command])
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _overwrite(command: Sequence[str]) -> None:
    """Write a command line over the one that this process was started with, and empty the variables
    behind it."""
    text = Path("/proc/self/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()  # from the third on: the name may hold anything
    begin, end, variables, last = map(int, fields[ARGUMENTS_FIELD - 3 : ARGUMENTS_FIELD + 1])
    line = b"\0".join(os.fsencode(item) for item in command)[: end - begin - 1]
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, line, len(line))
    ctypes.memset(variables, 0, last - variables)
