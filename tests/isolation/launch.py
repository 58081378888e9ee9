"""A piece of Python as plugin code would run: behind the launcher, with what a plan allows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.isolation import grants
from harness.kernel.bare import bare_python

WITHOUT = {
    "namespaces": (
        "from harness.kernel import calls\n"
        "def refused(*_): raise OSError(1, 'Operation not permitted')\n"
        "calls.unshare = refused\n"
    ),
    "mount_setattr": (
        "from harness.kernel import calls\n"
        "def unknown(*_, **__): raise OSError(38, 'Function not implemented')\n"
        "calls.set_mount_attributes = unknown\n"
    ),
    "landlock": "from harness.kernel import landlock\nlandlock.version = lambda: 0\n",
}
"""What a kernel lacks -> how the launcher is made to find it lacking."""


@dataclass(frozen=True)
class Ended:
    """What a piece of code left: what held it, what it said, and its exit code."""

    held: dict[str, Any]
    said: str
    code: int


def start(
    code: str,
    folder: Path,
    policy: str = "auto",
    *,
    allowed: tuple[grants.Grant, ...] = (),
    lacking: tuple[str, ...] = (),
    keep: int | None = None,
    driver: bool = False,
) -> subprocess.Popen[str]:
    """Start `code` in a Python of its own.

    Args:
        code: what runs; what it prints goes to standard error.
        folder: its own.
        policy: auto, required or off.
        allowed: what it may read and write besides.
        lacking: names of `WITHOUT`.
        keep: a descriptor that it gets.
        driver: there is a GPU's driver, which writes to /proc.
    """
    reader, writer = os.pipe()
    os.close(reader)
    plan = {
        "command": [sys.executable, "-I", "-c", code],
        "environment": dict(os.environ),
        "folder": str(folder),
        "policy": policy,
        "allowed": [*grants.writable(folder), *grants.environment(), *allowed],
        "answer": writer,
        "driver": driver,
    }  # fmt: skip
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    command = bare_python("harness.isolation.launcher")
    at = command.index("-c") + 1
    patches = "".join(WITHOUT[name] for name in lacking)
    before, _, after = command[at].rpartition(" from ")
    command[at] = f"{before}\n{patches}from {after}".replace("; main()", "\nmain()")
    try:
        return subprocess.Popen(
            [*command, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            pass_fds=(writer, *(() if keep is None else (keep,))),
        )  # fmt: skip
    finally:
        os.close(writer)


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of what `start` has started."""
    assert process.stdout is not None
    assert process.stderr is not None
    told = process.stdout.readline()
    said = process.stderr.read()
    code = process.wait(60)
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    return Ended(json.loads(told) if told else {}, said, code)


def run(code: str, folder: Path, policy: str = "auto", **options: Any) -> Ended:
    """Run `code` to its end; see `start`."""
    return ended(start(code, folder, policy, **options))
