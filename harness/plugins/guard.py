"""The guard of plugin code: whatever the code raises names the plugin, in one line."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, NoReturn

from pydantic import ValidationError

from harness.document import Document, explain
from harness.errors import HarnessError, PluginError, did_you_mean
from harness.plugins import places
from harness.processes.signals import watching_signals

LONGEST_CAUSE = 300
"""Characters of a plugin's own message that are shown."""

_end_process = os._exit
_inside = threading.local()
"""`process`: the one in which this thread calls plugin code, if it does."""


class _Heard:
    """The stream that plugin code prints to: stderr, or nowhere where that cannot be written.

    The terminal was closed, or the log's disk is full: no fault of the plugin's.
    """

    def __init__(self, stderr: Any) -> None:
        """Take the stream that stderr is."""
        self._stderr = stderr

    def write(self, text: str) -> int:
        """Write to stderr, if anybody can read it."""
        with suppress(OSError):
            self._stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush stderr, if anybody can read it."""
        with suppress(OSError):
            self._stderr.flush()

    def __getattr__(self, name: str) -> Any:
        """Return what else stderr has."""
        return getattr(self._stderr, name)


@contextmanager
def calling_plugin(
    culprit: str, advice: str = "mend the plugin", function: Callable[..., Any] | None = None
) -> Iterator[None]:
    """Turn what the plugin's code inside raises into an error that names it.

    What the code prints meanwhile goes to stderr: stdout is for results. `os._exit` raises too, but
    in a process that the code has forked: it would end this one, and nobody would know where.

    Args:
        culprit: what is called, as in `plugin 'x': harness_models`.
        advice: what to do about it.
        function: what is called, whose place is told where the error came through no line of the
            author's, as when it takes other arguments than it is given.

    Raises:
        PluginError: the code raised anything, SystemExit and KeyboardInterrupt included, that is
            neither the harness's own nor comes of a signal.
    """
    before = getattr(_inside, "process", None)
    with watching_signals() as came:
        try:
            _inside.process = os.getpid()
            os._exit = _refused_exit
            heard: Any = sys.stderr if isinstance(sys.stderr, _Heard) else _Heard(sys.stderr)
            with redirect_stdout(heard), redirect_stderr(heard):
                yield
        except HarnessError:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and came:
                raise
            what = ": not a" if isinstance(error, ValidationError) else " raised"
            raise PluginError(f"{culprit}{what} {cause(error, function)}; {advice}") from error
        finally:
            _inside.process = before


def _refused_exit(status: int = 0) -> NoReturn:
    """Stand for `os._exit` once plugin code was called; it ends what is not in such a call."""
    if getattr(_inside, "process", None) == os.getpid():
        raise SystemExit(f"os._exit({status}), which ends the whole process")
    _end_process(status)


def cause(error: BaseException, function: Callable[..., Any] | None = None) -> str:
    """Return type, message and the author's file and line of an error in one line.

    Args:
        error: what was raised.
        function: what was called; its place stands in where the error has none of the author's.
    """
    if isinstance(error, ValidationError):
        # The document's name says more than the error's, and pydantic's words speak of pydantic.
        kind, text = error.title, explain(error) + _nearest_field(error)
    else:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        kind, text = type(error).__name__, " ".join(said.split())
    place = places.of_error(error) or places.of_function(function)
    return f"{kind}{': ' if text else ''}{text[:LONGEST_CAUSE]}{f' ({place})' if place else ''}"


def _nearest_field(error: ValidationError) -> str:
    """Return a hint at the field that was meant, where the first problem is an unknown one."""
    first = error.errors()[0]
    if first["type"] != "extra_forbidden" or len(first["loc"]) != 1:
        return ""
    kinds = list(Document.__subclasses__())
    for kind in kinds:  # grows while it is read: sub-classes of sub-classes
        kinds += kind.__subclasses__()
    fields = next((kind.model_fields for kind in kinds if kind.__name__ == error.title), None)
    return "" if fields is None else f", {did_you_mean(str(first['loc'][0]), fields)}"
