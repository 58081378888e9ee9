"""Plugin code is called inside `blame`, so that whatever it raises names the plugin in one line."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

from harness.errors import HarnessError, PluginError

PASSED = ("<frozen", str(Path(importlib.__file__).parent), str(Path(__file__).parent.parent))

LONGEST_CAUSE = 300
"""Characters of a plugin's own message that are shown."""


@contextmanager
def blame(culprit: str, advice: str = "mend the plugin") -> Iterator[None]:
    """Turn what the plugin's code inside raises into an error that names it.

    What the code prints meanwhile goes to stderr: stdout is for results.

    Args:
        culprit: what is called, as in `plugin 'x': harness_models`.
        advice: what to do about it.

    Raises:
        PluginError: the code raised anything, SystemExit and KeyboardInterrupt included, that is
            neither the harness's own nor comes of a signal.
    """
    with _interrupts() as interrupts:
        try:
            with redirect_stdout(sys.stderr):
                yield
        except HarnessError:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and interrupts:
                raise
            raise PluginError(f"{culprit} raised {cause(error)}; {advice}") from error


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Yield a list that gets an item for each signal that may end the code inside.

    Code can raise KeyboardInterrupt without anybody's Ctrl-C. Only the main thread meets signals.
    """
    came: list[int] = []
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        handlers = {number: known for number, known in handlers.items() if callable(known)}

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        handlers[number](number, frame)

    for number in handlers:
        signal.signal(number, note)
    try:
        yield came
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is note:
                signal.signal(number, handler)


def cause(error: BaseException) -> str:
    """Return type, message and place of an error in one line."""
    text = " ".join(str(error).split())[:LONGEST_CAUSE]
    frames = traceback.extract_tb(error.__traceback__)
    # The import system and the harness are where a plugin's error passes, never its cause.
    own = [item for item in frames if not item.filename.startswith(PASSED)]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"
