"""Processes that are started again when they end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.federation.superlink.local_superlink import program

AGAIN_PAUSE_S = 2.0
"""Pause before a process is started again."""

NODE_PAUSE_S = 75.0
"""The same for a SuperNode: one that is back sooner has lost its message, and the SuperLink, which
counts a node as gone a minute after its last sign of life, goes on waiting for the answer."""

END_LIMIT_S = 10.0
"""Longest wait for a process to end after it was asked to."""


@dataclass
class Kept:
    """One process, started again when it ends."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None
    """None: it writes where this process does."""
    pause_s: float = AGAIN_PAUSE_S
    """How long after its end it is started again."""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    ended_at: float = field(default=0.0)

    def start(self) -> None:
        """Start it; its folder is its log's, where nothing lies that Python could import."""
        first, *rest = self.command
        command = [sys.executable if first == "python" else program(first), *rest]
        if self.log is None:
            self.process = subprocess.Popen(
                command, env=dict(self.environment), stdin=subprocess.DEVNULL
            )
        else:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    command,
                    env=dict(self.environment),
                    cwd=self.log.parent,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        self.starts += 1
        self.ended_at = 0.0

    def look(self, say: Callable[[str], None]) -> None:
        """Start it again if it has ended a while ago."""
        if self.process is None or self.process.poll() is None:
            return
        if not self.ended_at:
            self.ended_at = time.monotonic()
            where = f"; see {self.log}" if self.log is not None else ""
            say(f"{self.name} ended with code {self.process.returncode}, starting it again{where}")
        elif time.monotonic() - self.ended_at > self.pause_s:
            self.start()

    def end(self) -> None:
        """Ask it to end; `wait` waits."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self) -> None:
        """Wait for its end, and kill it when that takes long."""
        if self.process is None:
            return
        try:
            self.process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def end_all(processes: Sequence[Kept]) -> None:
    """End processes, all at once."""
    for item in processes:
        item.end()
    for item in processes:
        item.wait()
