"""The languages: the command, the limits and the reading of a result, as the scorer has them.

Source: bigcode-evaluation-harness, custom_metrics/execute.py (Python), multiple_metrics/
eval_javascript.py, eval_cpp.py, safe_subprocess (the other two).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.execution.verdict import Outcome
from harness.errors import EvaluationError

MEMORY_BYTES = 2 * 2**30
"""Resident memory of all processes of one program; the scorer has no such limit."""
PATIENCE = 5
"""How many times its limit a program may wait for a processor without that being counted.

The limits are of wall time, for a machine that has a processor free. Where others take it, a
correct program that needs 2.4 s of 3 would fail; the kernel tells how long it stood ready and had
none."""
PIPE_BYTES = 65536
DRAIN_BYTES_PER_S = 10240
"""The scorer reads 1 KiB of a program's output every tenth of a second, so one that prints more
than a pipe holds and is not read in time is stopped as a timeout."""
PYTHON_WALL_S = 3.0
PYTHON_GRACE_S = 2.0
"""From the alarm inside to the end from outside, with the interpreter's start in it."""
PRINTED_CHARACTERS = 64 * 2**20
"""Text that a Python program may print; the scorer keeps it in memory without a limit."""
JAVASCRIPT_WALL_S = 5.0
CPP_WALL_S = 15.0
"""For the compiler, and once more for the binary."""

EXECUTABLES = {"javascript": "node", "cpp": "g++"}
"""Language -> the program that must be installed; Python is the one that runs the harness."""

RUNNER = Path(__file__).with_name("inside") / "python_runner.py"


@dataclass(frozen=True)
class SandboxJob:
    """What the sandbox runs for one program: files in its folder, and commands in turn."""

    files: dict[str, str]
    steps: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Language:
    """One language on this machine.

    Attributes:
        name: its key in `LANGUAGES`.
        executable: the interpreter or compiler.
        toolchain: its name and version.
        readable: what programs need to read of the machine's files, beyond the system's.
        job: makes the job for a program's text.
        read: makes outcome and reason of the results of the job's steps.
        smallest: a program that passes.
    """

    name: str
    executable: str
    toolchain: str
    readable: tuple[Path, ...]
    job: Callable[[str], SandboxJob]
    read: Callable[[list[dict[str, Any]]], tuple[Outcome, str]]
    smallest: str = ""


def step(
    command: list[str], wall_s: float, output_bytes: int, *, address_space: bool = True
) -> dict[str, Any]:
    """Return one command with its limits.

    Args:
        command: the program and its arguments.
        wall_s: its limit on the wall.
        output_bytes: the limit of each of its two streams.
        address_space: bound each process's address space; not for Node, which reserves tens of GiB.
    """
    return {
        "command": command,
        "stdin": None,
        "nonce": None,
        "limit_s": wall_s,
        "wall_s": wall_s,
        "patience_s": PATIENCE * wall_s,
        "memory_bytes": MEMORY_BYTES,
        "address_space_bytes": 2 * MEMORY_BYTES if address_space else None,
        "output_bytes": output_bytes,
        "file_bytes": 256 * 2**20,
        "processes": 64,
    }


def find_python() -> Language:
    """Return Python: the interpreter that runs the harness, with the packages that it has."""
    folder, name = os.path.split(sys.executable)
    # The folder without links, the file with: a link in an environment's bin says which it is.
    executable = os.path.join(os.path.realpath(folder), name)
    runner = RUNNER.read_text(encoding="utf-8")

    def job(text: str) -> SandboxJob:
        nonce = secrets.token_hex(16)
        given = {
            "nonce": nonce,
            "program": text,
            "wall_s": PYTHON_WALL_S,
            "patience_s": PATIENCE * PYTHON_WALL_S,
            "output_characters": PRINTED_CHARACTERS,
        }
        # Not -I: that would ignore PYTHONHASHSEED too. The environment is made from nothing.
        command = [executable, "-s", "-P", "-B", "-c", runner]
        limits = step(command, PYTHON_WALL_S + PYTHON_GRACE_S, 2**20)
        return SandboxJob(
            {}, (limits | {"limit_s": PYTHON_WALL_S, "stdin": json.dumps(given), "nonce": nonce},)
        )

    packages = [Path(p) for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
    return Language(
        name="python",
        executable=executable,
        toolchain=f"Python {sys.version.split()[0]}",
        readable=(Path(executable), Path(sys.prefix), Path(sys.base_prefix), *packages),
        job=job,
        read=_read_python,
    )


def _read_python(results: list[dict[str, Any]]) -> tuple[Outcome, str]:
    result = results[-1]
    if broken := _limit_broken(result):
        return broken
    said = result["said"]
    if said is None:
        return "failed", f"ended without finishing its tests ({_exit_words(result['exit'])})"
    if said in ("passed", "timed out"):
        return said, ""
    return "failed", said.removeprefix("failed: ")[:200]


def find_javascript() -> Language:
    """Return JavaScript on Node.js."""
    node = _found(
        EXECUTABLES["javascript"],
        "Node.js 20",
        "install it from https://nodejs.org or `apt install nodejs`",
    )
    limit = PIPE_BYTES + int(DRAIN_BYTES_PER_S * JAVASCRIPT_WALL_S)
    command = [node, "program.js"]

    def job(text: str) -> SandboxJob:
        limits = step(command, JAVASCRIPT_WALL_S, limit, address_space=False)
        return SandboxJob({"program.js": text}, (limits,))

    return Language(
        name="javascript",
        executable=node,
        toolchain=f"Node.js {_version([node, '--version']).removeprefix('v')}",
        readable=(Path(node),),
        job=job,
        read=_read_javascript,
    )


def _read_javascript(results: list[dict[str, Any]]) -> tuple[Outcome, str]:
    result = results[-1]
    if broken := _limit_broken(result):
        return broken
    if result["exit"] == 0:
        return "passed", ""
    kind = re.search(r"^(?:Uncaught )?(\w*Error)\b", result["stderr"], re.MULTILINE)
    return "failed", kind[1] if kind else _exit_words(result["exit"])


def find_cpp(header: Path | None = None) -> Language:
    """Return C++ with g++.

    Args:
        header: a precompiled `bits/stdc++.h` in a folder of its own, given to the programs that
            include that header themselves.
    """
    compiler = find_compiler()
    limit = PIPE_BYTES + int(DRAIN_BYTES_PER_S * CPP_WALL_S)
    command = [compiler, "program.cpp", "-o", "program", "-std=c++17"]
    included = ["-include", str(header)] if header else []

    def job(text: str) -> SandboxJob:
        asks = re.search(r"^\s*#\s*include\s*<bits/stdc\+\+\.h>", text, re.MULTILINE)
        build = step(command + (included if asks else []), CPP_WALL_S, limit)
        return SandboxJob({"program.cpp": text}, (build, step(["./program"], CPP_WALL_S, limit)))

    return Language(
        name="cpp",
        executable=compiler,
        toolchain=f"g++ {_version([compiler, '-dumpfullversion', '-dumpversion'])}",
        readable=(Path(compiler), *([header.parent] if header else [])),
        job=job,
        read=_read_cpp,
        smallest="int main() {}",
    )


def find_compiler() -> str:
    """Return the path of g++."""
    return _found(
        EXECUTABLES["cpp"], "g++ with C++17", "install it, for example with `apt install g++`"
    )


def _read_cpp(results: list[dict[str, Any]]) -> tuple[Outcome, str]:
    result = results[-1]
    if broken := _limit_broken(result):
        outcome, reason = broken
        return outcome, f"{reason} while compiling" if reason and len(results) == 1 else reason
    if result["exit"] == 0:
        return "passed", ""
    if len(results) == 1:
        error = re.search(r"\berror: (.*)", result["stderr"])
        return "failed", f"does not compile: {error[1] if error else 'no reason given'}"[:200]
    return "failed", _exit_words(result["exit"])


LANGUAGES: dict[str, Callable[[], Language]] = {
    "python": find_python,
    "javascript": find_javascript,
    "cpp": find_cpp,
}
"""What `execute` knows, by name."""


def _limit_broken(result: dict[str, Any]) -> tuple[Outcome, str] | None:
    if result["end"] == "timed out":
        return "timed out", ""
    if result["end"] == "output":
        return "failed", "printed too much"
    if result["end"] == "memory":
        return "failed", f"used more than {MEMORY_BYTES // 2**20} MiB of memory"
    return None


def _exit_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def _found(name: str, needed: str, advice: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise EvaluationError(
            f"{name} is not on PATH; this board's programs need {needed}: {advice}"
        )
    return os.path.abspath(path)


def _version(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise EvaluationError(f"{command[0]} does not tell its version: {error}") from None
    return done.stdout.strip()
