"""What a client waits for in a plugin's code: a line in a file, which the server looks at and says.

A client process speaks to a log that nobody watches, and one that hangs never replies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.plugins.long_calls import hearing_of_long_calls


@contextmanager
def kept_for_the_server(folder: Path | None, partition: int) -> Iterator[None]:
    """Keep what is to be said of a client's long calls of plugin code while it works.

    Args:
        folder: of the run's logs; None: the server has no folder here.
        partition: whose work it is.
    """
    if folder is None:
        yield
        return
    path = _file(folder, partition)

    def keep(text: str) -> None:
        with suppress(OSError):  # no round is lost for it
            path.write_text(f"{text}\n", "utf-8")

    try:
        with hearing_of_long_calls(keep):
            yield
    finally:
        forget_call(folder, partition)


def forget_call(folder: Path, partition: int) -> None:
    """Delete the file of a client, as of one that was ended while it waited."""
    with suppress(OSError):
        _file(folder, partition).unlink(missing_ok=True)


def long_call(folder: Path, partition: int) -> str | None:
    """Return what is to be said of a client's call that takes long, or None."""
    try:
        text = _file(folder, partition).read_text("utf-8", errors="replace")
    except OSError:
        return None
    return text.strip() if text.endswith("\n") else None


def _file(folder: Path, partition: int) -> Path:
    return folder / f"waits-{partition}.txt"
