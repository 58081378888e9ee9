"""The speed table, from one run: `python bench/speed/speed.py --run RUN_DIR`.

Runs the other benchmarks of this folder one after the other, each in processes of its own, and puts
the plain loop's figures (what the template does) beside the harness's. RUN_DIR is a finished or
stopped run on real text: the evaluation takes its files from there. Needs the mirror
(`HARNESS_MIRROR`), 8 GiB of free memory and a machine that does nothing else; about 20 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

HERE = Path(__file__).resolve().parent
COMMANDS = (("--help",), ("plugins",), ("plan", "--plugin", "smollm2-dora"))
"""What answers at once."""

TURNS = 3
"""Processes of each of two cases that are close to one another."""

Row = dict[str, str]


def lines_of(*command: str) -> list[dict[str, Any]]:
    """Run a benchmark, named from this folder; return the JSON lines that it prints."""
    script = [sys.executable, str(HERE / command[0]), *command[1:]]
    done = subprocess.run(script, capture_output=True, text=True, env=dict(os.environ))
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    print(done.stdout, file=sys.stderr, flush=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def spread(values: list[float], digits: int = 2) -> str:
    """Render median and range."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def row(what: str, plain: str, harness: str, ratio: str, target: str) -> Row:
    """Return one line of the table."""
    return {"what": what, "plain": plain, "harness": harness, "ratio": ratio, "target": target}


def step_rows(repeats: int, threads: int) -> list[Row]:
    """Measure the optimizer step, the set-up of a client and the memory.

    A machine's clock drifts: DoRA and LoRA, a few hundredths apart, take turns.
    """
    steps: dict[str, list[float]] = defaultdict(list)
    set_up: dict[str, list[float]] = defaultdict(list)
    peak: dict[str, float] = defaultdict(float)
    for case in ("plain", "plain-kept", *TURNS * ("fast-dora", "fast-lora")):
        options = ("--child", case, "--repeats", str(repeats), "--threads", str(threads))
        [found] = lines_of("step.py", *options)
        steps[case] += found["step"]["wall_s"]
        set_up[case] += found["set_up"]["wall_s"]
        peak[case] = max(peak[case], found["peak_mib"])
    middle = {case: statistics.median(values) for case, values in steps.items()}
    return [
        row(
            "one optimizer step, s",
            spread(steps["plain"]),
            spread(steps["fast-dora"]),
            f"{middle['plain'] / middle['fast-dora']:.1f}x",
            "4x, aim 6x",
        ),
        row(
            "the same, no checkpointing in the plain loop, s",
            spread(steps["plain-kept"]),
            spread(steps["fast-dora"]),
            f"{middle['plain-kept'] / middle['fast-dora']:.1f}x",
            "",
        ),
        row(
            "client set-up, warm process, s",
            spread(set_up["plain"]),
            spread(set_up["fast-dora"], 3),
            "",
            "< 0.2",
        ),
        row(
            "DoRA over LoRA, per step",
            "",
            f"{middle['fast-dora'] / middle['fast-lora']:.3f}",
            "",
            "< 1.08",
        ),
        row(
            "peak memory of one client process, MiB",
            f"{peak['plain']:.0f}",
            f"{peak['fast-dora']:.0f}",
            f"{peak['plain'] / peak['fast-dora']:.1f}x",
            "not above",
        ),
    ]


def tree_row(actors: int) -> Row:
    """Measure the memory of a whole run."""
    [found] = lines_of("../waiting/tree_memory.py", "--actors", str(actors))
    what = f"peak memory of a run's process tree, {actors} client process(es), MiB"
    return row(what, "", str(found["peak_mib"]), "", "not above")


def round_row(training_s: float) -> Row:
    """Measure a round's overhead."""
    [found] = lines_of("round.py", "--training-s", str(training_s))
    messages = f"{found['clients']} x {found['message_mib']:.0f} MiB"
    what = f"a round beyond training, {messages}, clients that train {training_s:g} s, s"
    return row(what, "", spread(found["overhead_s"]), "", "< 1")


def evaluation_row(run_dir: Path, untrained: bool, rows: int, threads: int) -> Row:
    """Measure the official evaluation of the first FiQA rows."""
    options = (str(run_dir), "--rows", str(rows), "--threads", str(threads))
    [found] = lines_of("evaluation.py", *options, *(["--untrained"] if untrained else []))
    model = "untrained" if untrained else "trained"
    return row(
        f"official evaluation, {model} model, {rows} FiQA rows, rows/s",
        f"{rows / found['plain_s']:.2f}",
        f"{rows / found['ours_s']:.2f}",
        f"{found['ratio']:.1f}x, {found['labels_equal']}/{rows} labels equal",
        "10x, aim 20x",
    )


def start_up_row(repeats: int) -> Row:
    """Measure the commands that should answer at once."""
    command = Path(sys.executable).parent / "harness"
    slowest: list[float] = []
    for arguments in COMMANDS:
        taken = []
        for _ in range(repeats + 1):
            begin = time.perf_counter()
            subprocess.run([command, *arguments], capture_output=True, check=True)
            taken.append(time.perf_counter() - begin)
        if not slowest or statistics.median(taken[1:]) > statistics.median(slowest):
            slowest = taken[1:]
    return row("slowest of --help, plugins, plan, s", "", spread(slowest), "", "< 0.3")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", type=int, default=32)
    chosen = parser.parse_args()
    table = [start_up_row(chosen.repeats), *step_rows(chosen.repeats, chosen.threads)]
    table += [tree_row(actors) for actors in (1, 2)]
    table += [round_row(training_s) for training_s in (1.0, 0.0)]
    table += [
        # A model that ends its answers is done with a few rows before it can be measured.
        evaluation_row(chosen.run, untrained, rows, chosen.threads)
        for untrained, rows in (
            (True, chosen.rows),
            (True, 4 * chosen.rows),
            (False, 4 * chosen.rows),
        )
    ]
    print(tabulate(table, headers="keys", tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
