"""SIGINT, SIGTERM and SIGHUP have one owner: every answer to them is given through this module.

Answers nest, and the innermost one holds. A run, from outside to inside: the command answers with
`interrupt` (SIGTERM, and SIGHUP of a terminal that closes, unwind as Ctrl-C does), the simulation
with `stop.set` (clients end, files stay whole), Ray's start with `interrupt` again (nothing has
begun, so it is left at once); a call of plugin code only watches, to tell a user's Ctrl-C from a
KeyboardInterrupt of the plugin's own.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt() -> None:
    """Answer a signal as Python answers Ctrl-C, so that children end and files stay whole.

    Raises:
        KeyboardInterrupt: always.
    """
    raise KeyboardInterrupt


@contextmanager
def answering_signals(answer: Callable[[], object]) -> Iterator[list[int]]:
    """Answer `SIGNALS` with a call of `answer`; yield the list of those that came.

    The handlers of before are back afterwards, whatever the code inside has set: Ray sets one of
    its own while it starts. Only the main thread meets signals; in another one nothing changes.
    SIGHUP stays ignored where it was, as `nohup` has it.
    """
    came: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        came.append(number)
        answer()

    before = {}
    if _meets_signals():
        nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        answered = [number for number in SIGNALS if number != signal.SIGHUP or not nohup]
        before = {number: signal.signal(number, on_signal) for number in answered}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watching_signals() -> Iterator[list[int]]:
    """Yield the list of the signals that come, and leave every answer to them as it is.

    A signal without a handler in Python (SIGTERM by default) ends the process and is not seen. A
    handler that the code inside sets stays.
    """
    came: list[int] = []
    before: dict[int, Any] = {}
    if _meets_signals():
        known = {number: signal.getsignal(number) for number in SIGNALS}
        before = {number: handler for number, handler in known.items() if callable(handler)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        came.append(number)
        before[number](number, frame)

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield came
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is on_signal:
                signal.signal(number, handler)


def _meets_signals() -> bool:
    return threading.current_thread() is threading.main_thread()
