"""Calls of plugin code that take long, or never return: what is waited for is told meanwhile.

One thread looks at all of them while there are any, since a loss is called at every step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from harness.plugins import places
from harness.progress import format_duration, say

LONG_CALL_S = 20.0
"""A call of plugin code is told when it has taken so long, and again at every doubling."""
LOOKS = 8
"""At the calls, in that time."""


@dataclass(slots=True, eq=False)
class _Call:
    culprit: str
    function: Callable[..., Any] | None
    told_at: float
    """Seconds after which it is told next."""
    begin: float = field(default_factory=time.monotonic)


_calls: list[_Call] = []
_watcher: threading.Thread | None = None
_listeners: list[Callable[[str], None]] = [say]
"""The last one hears of them."""


@contextmanager
def telling_while_long(culprit: str, function: Callable[..., Any] | None = None) -> Iterator[None]:
    """Say what is waited for while a call of a plugin's code takes long, or never returns.

    Args:
        culprit: what is called, as of `calling_plugin`.
        function: what is called, whose place is told.
    """
    global _watcher
    call = _Call(culprit, function, LONG_CALL_S)
    _calls.append(call)
    if _watcher is None or not _watcher.is_alive():  # a fork has none
        _watcher = threading.Thread(target=_watch, name="long-calls", daemon=True)
        _watcher.start()
    try:
        yield
    finally:
        _calls.remove(call)


@contextmanager
def hearing_of_long_calls(listener: Callable[[str], None]) -> Iterator[None]:
    """Tell `listener` of calls that take long, where nobody reads what this process says."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _watch() -> None:
    """Tell of calls until there are none; `_watcher` is this thread until it will look no more."""
    global _watcher
    while True:
        time.sleep(LONG_CALL_S / LOOKS)
        for call in tuple(_calls):
            waited = call.told_at
            if time.monotonic() - call.begin >= waited:
                call.told_at = 2 * waited
                place = places.at(call.function)
                _listeners[-1](f"still in {call.culprit}{place}, {format_duration(waited)} now")
        if not _calls:
            _watcher = None
            if not _calls:  # one that has begun since has seen no watcher, and started its own
                return
            _watcher = threading.current_thread()
