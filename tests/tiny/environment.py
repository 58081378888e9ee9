"""Virtual environments for tests that start processes: what they import must be installed there."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

TINY = Path(__file__).resolve().parent
COMMANDS = ("flwr", "flower", "harness")
"""First letters of the commands that an environment of this kind has."""


def environment_with(folder: Path, *paths: Path) -> Path:
    """Make a virtual environment that has what this one has, and `paths` before it.

    Returns:
        Its Python.
    """
    # Symbolic links and no pip: it takes 0.1 s.
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    [site] = (folder / "lib").glob("python*/site-packages")
    library = Path(os.__file__).parent
    inherited = [
        entry
        for entry in sys.path
        if os.path.isabs(entry)
        and os.path.isdir(entry)
        and not Path(entry).is_relative_to(TINY.parent)
        and (library not in (Path(entry), Path(entry).parent))
    ]
    (site / "tests.pth").write_text("".join(f"{path}\n" for path in [*paths, *inherited]))
    for source in Path(sys.executable).parent.iterdir():
        if source.name.startswith(COMMANDS):
            lines = source.read_text().splitlines(keepends=True)
            target = folder / "bin" / source.name
            target.write_text("".join([f"#!{python}\n", *lines[1:]]))
            target.chmod(0o755)
    return python
