"""An empty picture of runs, in a form that its file's name says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import UsageError


def empty_picture(path: Path, width: float, height: float) -> Any:
    """Return matplotlib's figure of `width` by `height` inches, to be saved at `path`.

    Raises:
        UsageError: matplotlib is not installed, or the name ends otherwise than PNG's or SVG's.
    """
    if path.suffix not in (".png", ".svg"):
        raise UsageError(f"{path}: expected a picture's name, ending in .png or .svg")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            "pictures need matplotlib; install: pip install 'flowertune-harness[run]'"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")
