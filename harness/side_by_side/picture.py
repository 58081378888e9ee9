"""An empty picture of runs, in a form that its file's name says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import MissingExtraError, UsageError, how_to_install


def empty_picture(path: Path, width: float, height: float) -> Any:
    """Return matplotlib's figure of `width` by `height` inches, to be saved at `path`.

    Raises:
        UsageError: the name ends otherwise than PNG's or SVG's.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix not in (".png", ".svg"):
        raise UsageError(f"{path}: expected a picture's name, ending in .png or .svg")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(f"pictures need matplotlib; {how_to_install('run')}") from None
    return Figure(figsize=(width, height), layout="constrained")
