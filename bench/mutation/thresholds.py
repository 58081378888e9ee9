"""Change every held number of `tests/test_thresholds.py` both ways, and run the test that holds it.

    python bench/mutation/thresholds.py WORK [NAME ...]

WORK is a folder that is made: a copy of the checkout. A whole number is counted up and down, any
other is multiplied by 1.25 and by 0.8; of a table every number is changed in its turn. Output: one
line for each change that its test does not see.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from test_thresholds import HELD, ROOT, constants


def changes(value: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """Yield a part of a value and the text that takes its place."""
    parts = [value]
    if isinstance(value, ast.Dict):
        parts = [item for item in value.values if not isinstance(item, ast.Name)]
    elif isinstance(value, ast.Tuple):
        parts = value.elts
    for part in parts:
        text = ast.unparse(part)
        if any(isinstance(node, ast.Constant) and isinstance(node.value, str | bool)
               for node in ast.walk(part)):  # fmt: skip
            continue
        whole = "timedelta" not in text and not any(
            isinstance(node, ast.Constant) and isinstance(node.value, float)
            for node in ast.walk(part)
        )
        for change in ("+ 1", "- 1") if whole else ("* 1.25", "* 0.8"):
            yield part, f"(({text}) {change})"


def changed(source: str, part: ast.expr, text: str) -> str:
    """Return a source with one expression replaced."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    data = source.encode()
    begin = starts[part.lineno - 1] + part.col_offset
    end = starts[(part.end_lineno or 0) - 1] + (part.end_col_offset or 0)
    return (data[:begin] + text.encode() + data[end:]).decode()


def main() -> None:
    """Change, run, put back."""
    work = Path(sys.argv[1]).resolve()
    tree = work / "tree"
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, tree, symlinks=True, ignore=ignored)
    (work / "shared").symlink_to(ROOT.parent / "shared")
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    count = survived = 0
    for name, places in constants().items():
        if name not in HELD or (sys.argv[2:] and name not in sys.argv[2:]):
            continue
        for path, value in places:
            file = tree / path.relative_to(ROOT)
            source = file.read_text()
            for part, text in changes(value):
                file.write_text(changed(source, part, text))
                done = subprocess.run(
                    [*command, HELD[name]], cwd=tree, env=environment, capture_output=True,
                    text=True, check=False,
                )  # fmt: skip
                file.write_text(source)
                count += 1
                if done.returncode != 1:
                    survived += 1
                    last = done.stdout.strip().splitlines()[-1:]
                    print(f"{name} = {text}: {last}", flush=True)
    print(f"{count} changes of {len(HELD)} numbers, {survived} not seen by the test that is named")


if __name__ == "__main__":
    main()
