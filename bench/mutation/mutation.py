"""A mutation run over the modules that decide without effects: does a light test see each change?

    python bench/mutation/mutation.py WORK [--count 360] [--seed 12] [--python PYTHON]
    python bench/mutation/mutation.py WORK --again TEST ... [--python PYTHON]

WORK is a folder that is made: a copy of the checkout in which Cosmic Ray changes one place at a
time, what the tests reach, and the session. A run that was stopped goes on where it stopped;
with `--again TEST ...` the survivors are judged once more, by the checkout's tests as they are
now, the named ones among them.
PYTHON is an interpreter without the extra `[run]`, with this project's plugins, and with
`pip install cosmic-ray coverage`. Output: one line a survivor, then one JSON object of figures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONFIG = "bench/mutation/cosmic-ray.toml"
IGNORED = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", ".hypothesis")


def main() -> None:
    """Prepare, run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--count", type=int, default=360)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--again", nargs="+", default=[])
    parser.add_argument("--python", default=sys.executable)
    chosen = parser.parse_args()
    work = chosen.work.resolve()
    tree, session = work / "tree", work / "session.sqlite"

    def run(*arguments: str) -> None:
        call(chosen.python, tree, work, *arguments)

    if not session.exists():
        prepare(work, tree, chosen.python)
        run("-m", "cosmic_ray.cli", "init", CONFIG, str(session))
        run("-m", "cosmic_ray.tools.filters.operators_filter", str(session), CONFIG)
        run(str(HERE / "choose.py"), str(session), str(chosen.count), str(chosen.seed))
    elif chosen.again:
        shutil.rmtree(tree / "tests")
        shutil.copytree(ROOT / "tests", tree / "tests", ignore=IGNORED)
        run(str(HERE / "reached.py"), str(work / "reached.json"), *chosen.again)
        run(str(HERE / "choose.py"), str(session), "again")
    run("-m", "cosmic_ray.cli", "exec", CONFIG, str(session))
    run(str(HERE / "report.py"), str(session))


def prepare(work: Path, tree: Path, python: str) -> None:
    """Copy the checkout, keep a clean copy of the package, and see what the tests reach."""
    shutil.copytree(ROOT, tree, symlinks=True, ignore=IGNORED)
    shutil.copytree(tree / "harness", work / "clean" / "harness")
    (work / "shared").symlink_to(ROOT.parent / "shared")
    call(python, tree, work, "bench/mutation/reached.py", str(work / "reached.json"))


def call(python: str, tree: Path, work: Path, *arguments: str) -> None:
    """Run a Python program in the tree, which is imported before what is installed."""
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
        "MUTATION_CLEAN": str(work / "clean" / "harness"),
        "MUTATION_REACHED": str(work / "reached.json"),
        "PYTHONDONTWRITEBYTECODE": "",
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run([python, *arguments], cwd=tree, env=environment, check=True)


if __name__ == "__main__":
    main()
