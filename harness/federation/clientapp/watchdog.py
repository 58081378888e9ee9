"""A client that hangs: the limit that ends its process, and the stack that it leaves behind."""

from __future__ import annotations

import faulthandler
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STACK_CHARACTERS = 2_000
"""Of the stack of a client that hung, in an error message."""


@contextmanager
def time_limit(limit_s: float, folder: Path, partition: int) -> Iterator[None]:
    """End this process after `limit_s` seconds, leaving its stack in `folder`.

    A thread of C code does it, so it works while Python cannot run: a hang inside torch included.
    """
    path = _file(folder if folder.is_dir() else Path(tempfile.gettempdir()), partition)
    with path.open("w") as file:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)


def take_stack(folder: Path, partition: int) -> str | None:
    """Return the stack of a client that hung and was ended, and delete its file; else None."""
    path = _file(folder, partition)
    if not path.is_file() or not path.stat().st_size:
        return None
    text = path.read_text(errors="replace")
    path.unlink()
    return _shortened(text)


def _file(folder: Path, partition: int) -> Path:
    return folder / f"hang-{partition}.txt"


def _shortened(text: str) -> str:
    """Return the beginning of a stack that faulthandler wrote, without the import system."""
    lines = [line for line in text.splitlines() if "<frozen importlib" not in line]
    begin = next((i for i, line in enumerate(lines) if "gc_collect_manager" in line), None)
    if begin is not None:  # Ray's own thread comes first and says nothing
        lines = lines[begin:]
        lines = lines[next((i for i, line in enumerate(lines) if not line.strip()), 0) :]
    return "\n".join(line for line in lines if line.strip())[:STACK_CHARACTERS]
