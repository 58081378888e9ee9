"""Progress for people: a live line on a terminal, plain lines elsewhere, nothing when quiet.

Machines read files; progress goes to stderr and is never parsed.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

PLAIN_INTERVAL_S = 10.0
"""Seconds between two plain lines of one task: a log of an hour stays under 400 lines."""


COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2"}

silent = False
"""Whether this process says nothing of its progress: `--quiet`."""
verbose = False
"""Whether it says more than it has to: `--verbose`."""


@contextmanager
def only_if(wanted: bool) -> Iterator[None]:
    """Say nothing while this context lasts, unless it is `wanted`."""
    global silent
    before = silent
    silent = before or not wanted
    try:
        yield
    finally:
        silent = before


def coloured(stream: Any) -> bool:
    """Return whether a stream is a terminal that has colours, and wants them.

    Source: https://no-color.org: NO_COLOR, with any text in it, means none.
    """
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and hasattr(stream, "isatty") and bool(stream.isatty())


def paint(text: str, colour: str, stream: Any) -> str:
    """Return `text` in one of `COLOURS` where the stream has colours."""
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if coloured(stream) else text


def say(text: str, end: str = "\n") -> None:
    """Write `text` to stderr for whoever watches, unless the command is to be quiet."""
    if not silent:
        tell(text, end)


def tell(text: str, end: str = "\n") -> None:
    """Write `text` to stderr.

    Where nobody can read it (the terminal was closed, the log's disk is full), it is dropped: no
    reason to lose a run of hours, or to end with another code.
    """
    if sys.stderr is None:  # a process that was started without one
        return
    with suppress(OSError):
        print(text, end=end, file=sys.stderr, flush=True)


def in_place() -> str:
    """Return what makes a text take the place of a live line, which any process may have begun."""
    return "\r\x1b[2K" if sys.stderr is not None and sys.stderr.isatty() else ""


@dataclass
class Meter:
    """Counts the units of one stage and prints rate and time left.

    Units need not cost the same: the time left follows their work, of whatever measure.
    """

    title: str
    total: int
    unit: str
    quiet: bool = False
    work: float | None = None
    """Of all units together; None: a unit is one."""
    pace_from: float = 0.0
    """Share of the work that has to be done before the time left is told."""
    done: int = 0
    _start: float = field(default_factory=time.monotonic)
    _resumed: int = 0
    _worked: float = 0.0
    _resumed_work: float = 0.0
    _printed: float = 0.0

    def begin(self) -> None:
        """Count time from now on: what was loaded before is not loaded again for what is left."""
        self._start = time.monotonic()

    def skip(self, units: int, work: float | None = None) -> None:
        """Count units that an earlier session did, without letting them speed up the rate."""
        self.done += units
        self._resumed += units
        self._resumed_work += units if work is None else work

    def advance(self, units: int = 1, note: str = "", work: float | None = None) -> None:
        """Count `units` more, of so much work, and print when it is time."""
        self.done += units
        self._worked += units if work is None else work
        now = time.monotonic()
        live = sys.stderr is not None and sys.stderr.isatty()
        due = now - self._printed >= (0.2 if live else PLAIN_INTERVAL_S)
        if self.quiet or not (due or self.done >= self.total):
            return
        self._printed = now
        line = self.line(now - self._start) + (f"  {note}" if note else "")
        end = "\n" if not live or self.done >= self.total else ""
        say(f"{in_place()}{_cut(line)}" if live else line, end)

    def line(self, elapsed_s: float) -> str:
        """Return the text of one line: title, done/total, rate, time left."""
        fresh = self.done - self._resumed
        rate = fresh / elapsed_s if elapsed_s > 0 else 0.0
        work = (self.total if self.work is None else self.work) - self._resumed_work - self._worked
        known = self._worked > self.pace_from * (work + self._worked)
        left = elapsed_s * work / self._worked if known else None
        eta = "" if left is None else f", {format_duration(left)} left"
        return f"{self.title}: {self.done}/{self.total} {self.unit} ({rate:.2f} {self.unit}/s{eta})"


def _cut(line: str) -> str:
    """Return what of a live line fits the terminal: one that wraps cannot be taken back."""
    room = max(_columns() - 1, 0)
    return line if len(line) <= room else f"{line[: max(room - 3, 0)]}..."[:room]


def _columns() -> int:
    """Return the width of the terminal that stderr is, whatever stdout was sent to.

    Source: as `shutil.get_terminal_size`, which asks stdout.
    """
    with suppress(OSError, ValueError, AttributeError):
        if not os.environ.get("COLUMNS") and (found := os.get_terminal_size(sys.stderr.fileno())):
            return found.columns or shutil.get_terminal_size().columns
    return shutil.get_terminal_size().columns


@contextmanager
def stage(title: str, quiet: bool = False) -> Iterator[None]:
    """Print the start and the duration of a stage."""
    begin = time.monotonic()
    if not quiet:
        say(f"{title} ...")
    yield
    if not quiet:
        took = format_duration(time.monotonic() - begin)
        say(f"{title}: done in {took}")


def format_duration(seconds: float) -> str:
    """Return `seconds` as `1:02:03` (hours) or `2:03` (minutes), rounded to whole seconds."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"
