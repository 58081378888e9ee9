"""A Python without a site folder: it starts in 10 ms and imports nothing that is installed."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent

_START = (
    "import sys, types; package = sys.modules['harness'] = types.ModuleType('harness');"
    " package.__path__ = [sys.argv[1]]; sys.path.insert(0, sys.argv[2]);"
    " from {module} import main; main()"
)
"""`harness` itself imports pluggy, which lies in a site folder: an empty package stands for it."""


def bare_python(module: str, folder: Path = PACKAGE / "kernel") -> list[str]:
    """Return the command that calls `main` of a module in a Python without a site folder.

    Args:
        module: its name; what it imports must be the standard library's or of this kind.
        folder: first on the path, for a module that is named without `harness`.
    """
    start = _START.format(module=module)
    return [sys.executable, "-I", "-S", "-c", start, str(PACKAGE), str(folder)]
