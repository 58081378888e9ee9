"""The guard of plugin code: whatever the code raises names the plugin, in one line."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from harness.errors import HarnessError, PluginError
from harness.processes.signals import watching_signals

NEVER_THE_CAUSE = (
    "<frozen",
    str(Path(importlib.__file__).parent),
    str(Path(__file__).parent.parent),
)

LONGEST_CAUSE = 300
"""Characters of a plugin's own message that are shown."""


@contextmanager
def calling_plugin(culprit: str, advice: str = "mend the plugin") -> Iterator[None]:
    """Turn what the plugin's code inside raises into an error that names it.

    What the code prints meanwhile goes to stderr: stdout is for results.

    Args:
        culprit: what is called, as in `plugin 'x': harness_models`.
        advice: what to do about it.

    Raises:
        PluginError: the code raised anything, SystemExit and KeyboardInterrupt included, that is
            neither the harness's own nor comes of a signal.
    """
    with watching_signals() as came:
        try:
            with redirect_stdout(sys.stderr):
                yield
        except HarnessError:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and came:
                raise
            raise PluginError(f"{culprit} raised {cause(error)}; {advice}") from error


def cause(error: BaseException) -> str:
    """Return type, message and place of an error in one line."""
    text = " ".join(str(error).split())[:LONGEST_CAUSE]
    frames = traceback.extract_tb(error.__traceback__)
    # The import system and the harness are where a plugin's error passes, never its cause.
    own = [item for item in frames if not item.filename.startswith(NEVER_THE_CAUSE)]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"
