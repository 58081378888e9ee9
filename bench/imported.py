"""Published projects as recipes: `python bench/imported.py [--run N] [--json] FOLDER|FILE.fab ...`.

Every FlowerTune app below each folder, and every run of it, is imported (`harness import --recipe`)
and planned from the file that this writes, by the commands that a participant types. One row a run:
the forecast by the count that its project used beside the figure that it published or logged, or
why there is none. With `--run N` the first N recipes of different projects are also run, on the
small random model that a smoke run makes of the recipe's family, and verified.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

HARNESS = str(Path(sys.executable).with_name("harness"))
RUNS = re.compile(r"several runs; choose with --run: (.+)$")


@dataclass
class Row:
    """What became of one run of one project."""

    project: str
    run: str | None
    outcome: str
    """`planned`, or the command that ended it."""
    board: str = ""
    model: str = ""
    rounds: int | None = None
    published: str = ""
    """Its figure with its unit, and the log's total where one was read."""
    forecast_mib: float | None = None
    forecast_legacy_mib: float | None = None
    ran: str = ""
    """With --run: seconds, and what `verify` said."""
    said: str = ""

    def agrees(self, half_rounds_short: int = 0) -> bool:
        """Whether a forecast has the published figure's digits.

        Args:
            half_rounds_short: how many of the last messages' sums the figure leaves out.
        """
        share = 1 - half_rounds_short / (2 * (self.rounds or 1))
        both = (self.forecast_mib, self.forecast_legacy_mib)
        mine = [value * share for value in both if value is not None]
        for text in re.findall(r"\d[\d,]*\.?\d*", self.published):
            figure = float(text.replace(",", ""))
            last = 10.0 ** -len(text.partition(".")[2])  # some round, some cut
            for value in mine:
                # Upstream writes GB for 2^30 bytes, some projects for 1,000 MiB.
                if any(abs(figure - value / unit) < last for unit in (1, 1000, 1024)):
                    return True
        return False


def harness(*words: str, cwd: Path) -> tuple[int, str, str]:
    """Run the installed command; return its exit code, what it printed, and its last words."""
    done = subprocess.run([HARNESS, *words], cwd=cwd, capture_output=True, text=True, check=False)
    last = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
    return done.returncode, done.stdout, last


def apps(folder: Path) -> Iterator[Path]:
    """Yield a project and the apps inside it."""
    yield folder
    if folder.is_dir():
        found = {
            path.parent
            for path in folder.rglob("pyproject*.toml")
            if "templates" not in path.parts
            and "tool.flwr" in path.read_text("utf-8", errors="replace")
        }
        yield from sorted(found - {folder})


def rows_of(app: Path, name: str, folder: Path) -> Iterator[tuple[Row, Path]]:
    """Yield a row and a recipe's file for each run of an app.

    Args:
        app: a project's folder or bundle.
        name: how the table calls it.
        folder: where to work.
    """
    runs: list[str | None] = [None]
    while runs:
        run = runs.pop(0)
        recipe = folder / f"{len(list(folder.iterdir()))}.toml"
        words = ["import", str(app), "--recipe", str(recipe), "--json"]
        code, text, last = harness(*words, *(["--run", run] if run else []), cwd=folder)
        if several := RUNS.search(last):
            runs += [item.strip() for item in several[1].split(",")]
            continue
        if code:
            yield Row(name, run, "import", said=last), recipe
            continue
        claim = json.loads(text)["claim"]
        stated, logged = claim["traffic"]["stated"], claim["traffic"]["log_total"]
        parts = [item["text"] + item["unit"] for item in (stated, logged) if item]
        row = Row(
            name, run, "planned", claim["challenge"], claim["config"]["model"] or "",
            claim["config"]["rounds"], ", log ".join(parts),
        )  # fmt: skip
        code, text, last = harness("plan", str(recipe), "--json", "--device", "cpu", cwd=folder)
        if text.startswith("{"):
            plan = json.loads(text)["communication"]
            row.forecast_mib = plan["total_mib"]
            row.forecast_legacy_mib = plan["total_mib_legacy"]
            row.said = last if code else ""
        else:
            row.outcome, row.said = "plan", last
        yield row, recipe


def run(recipe: Path, folder: Path) -> str:
    """Run a recipe on a small random model of its family and verify it; return what came of it."""
    start = time.monotonic()
    out = f"run-{recipe.stem}"
    code, _, last = harness("run", recipe.name, "--smoke", "--out", out, "--quiet", cwd=folder)
    if code:
        return last
    _, _, said = harness("verify", out, cwd=folder)
    model = json.loads((folder / out / "result.json").read_text())["spec"]["model"]["name"]
    return f"{time.monotonic() - start:.0f} s on {model}: {said}"


def main() -> None:
    """Import, plan and perhaps run; print the table and its sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("projects", nargs="+", type=Path, metavar="FOLDER|FILE.fab")
    parser.add_argument("--run", type=int, default=0, metavar="N", help="Run so many recipes.")
    parser.add_argument("--json", action="store_true", help="One JSON object a row.")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    table: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="imported-") as scratch:
        folder = Path(scratch)
        for project in map(Path.resolve, chosen.projects):
            left = chosen.run > sum(bool(row.ran) for row in table)
            for app in apps(project):
                name = f"{project.name}/{app.relative_to(project)}".removesuffix("/.")
                for row, recipe in rows_of(app, name, folder):
                    if left and row.outcome == "planned":
                        row.ran, left = run(recipe, folder), False
                    table.append(row)
                    if chosen.json:
                        print(json.dumps(asdict(row)), flush=True)
                    else:
                        mib = [row.forecast_legacy_mib, row.forecast_mib]
                        shown = " / ".join(f"{value:.2f}" for value in mib if value is not None)
                        print(
                            f"{row.outcome:<8} {name} {row.run or ''}: {shown} published"
                            f" {row.published or '-'} {row.ran} {row.said}",
                            flush=True,
                        )
    planned = [row for row in table if row.outcome == "planned"]
    agreeing = [row for row in planned if row.agrees()]
    short = [row for row in planned if not row.agrees() and row.agrees(half_rounds_short=1)]
    print(
        f"{len(table)} runs of {len({r.project.partition('/')[0] for r in table})} projects:"
        f" {len(planned)} planned, {sum(bool(r.published) for r in planned)} of them with a figure,"
        f" {len(agreeing)} forecasts are the published figure,"
        f" of {len({r.project.partition('/')[0] for r in agreeing})} projects;"
        f" {len(short)} published figures lack the last half round",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
