"""How far a client is in its round: a byte for each step, in a file that the server looks at.

A reply says it too, but comes after the last step: minutes of silence on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def counted(folder: Path | None, partition: int) -> Iterator[Callable[[], None]]:
    """Yield what is to be called after each step; a client that is asked again begins anew.

    Where the disk refuses the file nothing is said: no round is lost for it.

    Args:
        folder: of the run's logs; None: the server has no folder here.
        partition: whose steps they are.
    """
    file = None
    if folder is not None:
        with suppress(OSError):
            file = _file(folder, partition).open("wb", buffering=0)

    def step() -> None:
        if file is not None:
            with suppress(OSError):
                file.write(b".")

    try:
        yield step
    finally:
        if file is not None:
            file.close()


def steps_taken(folder: Path, partition: int) -> int:
    """Return how many steps a client has taken in its round; 0 before the first."""
    try:
        return _file(folder, partition).stat().st_size
    except OSError:
        return 0


def forget(folder: Path, partition: int) -> None:
    """Delete the file of a client."""
    _file(folder, partition).unlink(missing_ok=True)


def _file(folder: Path, partition: int) -> Path:
    return folder / f"steps-{partition}"
