"""Bytes and accuracy by codec: `smollm2-dora/135m` with each codec and seed, by real runs.

    python bench/codecs.py --mirror DIR --out DIR [--budget-s S] [--seeds 1 2 3] [--only NAME ...]

Every cell is a `harness run` of 3 rounds of 3 of the 50 clients, few local steps, and the official
measure on the first 128 rows of each set. All codecs of a seed come before the next seed. A cell
that has a result is not run again and a begun one is resumed, so that the same command goes on
where it stopped; no cell begins after `--budget-s`. The table is printed at the end.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path

from harness.codec.choice import Codec, described
from harness.record.result import ResultRecord
from harness.side_by_side.cell_processes import CellProcesses
from harness.side_by_side.intervals import mean_interval
from harness.side_by_side.sweep import run_sweep
from harness.side_by_side.sweep_file import Cell, Sweep, cells_of

RECIPE = "smollm2-dora/135m"
PLAIN = "float32"
CODECS = ("float16", "bfloat16", "int8", "top-k", "low-rank")
Found = dict[str, dict[int, ResultRecord]]
"""Codec -> seed -> the run."""


def cells(options: argparse.Namespace) -> list[tuple[str, int, Cell]]:
    """Return (codec, seed, run) in the order in which they are run."""
    names = [name for name in (PLAIN, *CODECS) if name in options.only]
    asked = [(name, seed) for seed in options.seeds for name in names]
    runs = [
        {"seed": seed} if name == PLAIN else {"codec.name": name, "seed": seed}
        for name, seed in asked
    ]
    settings = {"rounds": 3, "fraction": 0.06, "max_steps": options.steps}
    sweep = Sweep(
        recipe=RECIPE, limit=options.rows, device="cpu", settings=settings, runs=tuple(runs)
    )
    return [
        (name, seed, cell)
        for (name, seed), cell in zip(asked, cells_of(sweep, Path()), strict=True)
    ]


def table(found: Found) -> str:
    """Return the table of what has run, Markdown; intervals are 95 % by Student's t."""
    base = found.get(PLAIN, {})
    lines = ["| codec | bytes | of float32 | accuracy, % | against float32, points | seeds |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for name, runs in found.items():
        both = sorted(runs.keys() & base.keys())
        if not both:
            continue
        traffic = [record.communication.bytes_total for record in runs.values()]
        whole = [base[seed].communication.bytes_total for seed in both]
        share = sum(runs[seed].communication.bytes_total for seed in both) / sum(whole)
        gain = [100 * (runs[seed].average - base[seed].average) for seed in both]
        shown = "none" if name == PLAIN else described(Codec(name=name))  # type: ignore[arg-type]
        lines.append(
            f"| {shown} | {sum(traffic) // len(traffic):,} | {100 * share:.2f} % |"
            f" {_either([100 * record.average for record in runs.values()])} |"
            f" {'' if name == PLAIN else _either(gain, '+')} | {len(both)} |"
        )
    return "\n".join(lines)


def _either(values: list[float], sign: str = "") -> str:
    if len(values) < 2:
        return f"{values[0]:{sign}.2f}"
    mean, half = mean_interval(values)
    return f"{mean:{sign}.2f} ± {half:.2f}"


def main() -> None:
    """Run what is missing, as far as the budget goes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--only", nargs="*", default=[PLAIN, *CODECS])
    parser.add_argument("--steps", type=int, default=4, help="of a client in a round")
    parser.add_argument("--rows", type=int, default=128, help="of each evaluation set")
    parser.add_argument("--budget-s", type=float, default=math.inf, help="no cell begins later")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    begin = time.monotonic()
    found: Found = {}
    with CellProcesses() as start:
        for name, seed, cell in cells(options):
            ended = (options.out / cell.name / "result.json").is_file()
            if not ended and time.monotonic() - begin > options.budget_s:
                continue
            used = sum(os.times()[:4])
            [result] = run_sweep([cell], options.out, mirror=options.mirror, start=start)
            if result.record is None:
                print(f"{cell.name}: {result.problem}", file=sys.stderr)
                continue
            found.setdefault(name, {})[seed] = result.record
            if not ended:
                spent = sum(os.times()[:4]) - used
                print(f"{cell.name}: {result.record.average:.4f}, {spent:.0f} processor seconds",
                      file=sys.stderr, flush=True)  # fmt: skip
    print(table(found))


if __name__ == "__main__":
    main()
