"""What a process and its children say is passed on by a thread of its own, not written directly.

Whoever holds a file as its output may learn its name, and cut it short; whoever holds a terminal
may change its modes, hide what is said later, or write over what was said before.
"""

from __future__ import annotations

import atexit
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

OUTPUT_LIMIT_S = 5.0
"""Longest wait for the last lines of output to be written when the process ends."""

STEERS = re.compile(
    rb"\x1b(?!\[(?:2K|(?:0|2|31|32|33)m))|\xc2[\x80-\x9f]|[^\t\n\r\x1b -~\x80-\xff]"
)
"""What steers a terminal, but for what `harness.progress` writes: an empty line, and its colours.
Source: ECMA-48, C0 and C1."""
BEGUN = re.compile(rb"(?:\x1b(?:\[\d{0,2})?|\xc2)\Z")
"""The begin of a sequence, at the end of what was read so far."""


def pass_on() -> None:
    """Let what this process and its children write to a file or terminal go there by a thread.

    A terminal is told nothing but texts, and what `harness.progress` tells it. An output of another
    kind, such as a pipe, stays as it is.
    """
    # Of what goes to one place the order is kept.
    for numbers in ((1, 2),) if os.path.sameopenfile(1, 2) else ((1,), (2,)):
        if stat.S_ISREG(os.fstat(numbers[0]).st_mode):
            _through(numbers, *os.pipe(), lambda data: data)
        elif os.isatty(numbers[0]):
            _through(numbers, *_terminal(), Steered())


class Steered:
    """What is left of output when a terminal is to be steered by nobody else."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._begun = b""

    def __call__(self, data: bytes) -> bytes:
        """Return the next part; `b""` is the end."""
        data = self._begun + data
        begun = BEGUN.search(data) if len(data) > len(self._begun) else None
        self._begun = begun[0] if begun else b""
        return STEERS.sub(b"?", data.removesuffix(self._begun))


def _terminal() -> tuple[int, int]:
    """Return both ends of a terminal that changes nothing: where it is read, and written."""
    import pty
    import tty

    reader, writer = pty.openpty()
    tty.setraw(writer)
    return reader, writer


def _same_size(number: int, output: int) -> None:
    if os.isatty(output):
        import termios

        with suppress(termios.error):
            termios.tcsetwinsize(number, termios.tcgetwinsize(output))


def _through(
    numbers: Sequence[int], reader: int, writer: int, left: Callable[[bytes], bytes]
) -> None:
    """Put a pipe or terminal in the place of an output, and pass on what is left of what comes.

    Args:
        numbers: 1 or 2, or both where they lead to one place.
        reader: the end from which it is read.
        writer: the end to which it is written; closed here.
        left: what came -> what is passed on; `b""` at the end.
    """
    output = os.dup(numbers[0])
    for number in numbers:
        os.dup2(writer, number)
    os.close(writer)
    _same_size(numbers[0], output)

    def copy() -> None:
        data = b"begin"
        while data:
            try:
                data = os.read(reader, 65_536)
            except OSError:  # a terminal that nobody holds any more
                data = b""
            with suppress(OSError):  # nobody can read it; its writers go on
                os.write(output, left(data))
            _same_size(numbers[0], output)  # its window may have been drawn larger

    thread = threading.Thread(target=copy, name="output", daemon=True)
    thread.start()

    def end() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        for number in numbers:
            os.dup2(output, number)  # the last writer's end is closed by this
        thread.join(OUTPUT_LIMIT_S)

    atexit.register(end)
