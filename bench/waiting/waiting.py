"""How long people wait for a smoke run on a CPU, and for what follows it.

    python bench/waiting/waiting.py [--turns 5] [HARNESS ...]

Each turn runs the README's smoke run, `harness evaluate` of the finished run and a repetition of
one client of its first round, from a folder of their own. Times are by the clock, from the start of
the command, so the machine has to be quiet. With several `harness` commands, of environments with
other versions, each turn tries all of them one after the other. Prints one table of medians and
ranges, and JSON with `--json`. `peak_mib` is the largest sum of the tree's shares of memory (PSS),
of one run more, because looking costs time.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate
from tree_memory import peak_bytes

SMOKE = ("run", "--plugin", "smollm2-dora", "--smoke")
STEP = re.compile(r"training: [1-9]\d*/")
STAGE = re.compile(r"evaluate: ")
ROW = re.compile(r": [1-9]\d*/\d+ rows")


def smoke(command: Path, out: Path) -> dict[str, float]:
    """Run the smoke run and return when what was heard, in seconds."""
    begin = time.monotonic()
    seen: dict[str, float] = {}
    with subprocess.Popen(
        [str(command), *SMOKE, "--out", str(out)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=out.parent,
    ) as run:  # fmt: skip
        assert run.stderr is not None
        for line in run.stderr:
            now = time.monotonic() - begin
            seen.setdefault("first_line_s", now)
            if STEP.search(line):
                seen.setdefault("first_step_s", now)
            if STAGE.search(line):
                seen["stage_s"] = now
            if "stage_s" in seen and ROW.search(line):
                seen.setdefault("first_row_s", now - seen["stage_s"])
    if run.returncode != 0:
        sys.exit(f"{command} {' '.join(SMOKE)} ended with {run.returncode}")
    seen.pop("stage_s", None)
    return {"smoke_s": time.monotonic() - begin, **seen}


def taken_s(command: Path, *words: str, folder: Path) -> float:
    """Return the seconds of a command; where it fails, what it worked on is kept."""
    begin = time.monotonic()
    done = subprocess.run(
        [str(command), *words], capture_output=True, cwd=folder, text=True, check=False
    )
    if done.returncode != 0:
        kept = tempfile.mkdtemp(prefix="waiting-failed-")
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        ended = f"{command} {' '.join(words)} ended with {done.returncode}; its folder is {kept}"
        sys.exit(f"{ended}\n{done.stderr}{done.stdout}")
    return time.monotonic() - begin


def turn(command: Path) -> dict[str, float]:
    """Return the times of one turn of one command."""
    with tempfile.TemporaryDirectory(prefix="waiting-") as name:
        folder = Path(name)
        seen = smoke(command, folder / "run")
        seen["evaluate_s"] = taken_s(command, "evaluate", "run", folder=folder)
        record = json.loads((folder / "run" / "result.json").read_text())
        client = str(record["federation"]["rounds"][0]["clients"][0]["partition"])
        words = ("reproduce", "run", "--round", "1", "--client", client)
        seen["reproduce_client_s"] = taken_s(command, *words, folder=folder)
    return seen


def peak_mib(command: Path) -> float:
    """Return the memory of the whole tree of a smoke run, in MiB."""
    with tempfile.TemporaryDirectory(prefix="waiting-") as name:
        words = [str(command), *SMOKE, "--out", f"{name}/run", "--quiet"]
        return peak_bytes(words, name) / 2**20


def main() -> None:
    """Take all turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    own = Path(sys.executable).parent / "harness"
    parser.add_argument("commands", nargs="*", type=Path, metavar="HARNESS", help=f"{own}")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    commands = [path.absolute() for path in arguments.commands] or [own]
    found: dict[Path, list[dict[str, float]]] = {command: [] for command in commands}
    for _ in range(arguments.turns):
        for command in commands:
            found[command].append(turn(command))
            print(command, found[command][-1], file=sys.stderr, flush=True)
    peaks = {command: peak_mib(command) for command in commands}
    if arguments.json:
        print(json.dumps({str(path): [*found[path], {"peak_mib": peaks[path]}] for path in found}))
        return
    names = list(dict.fromkeys(name for turns in found.values() for one in turns for name in one))
    rows = []
    for name in names:
        row = [name]
        for command in commands:
            values = [one[name] for one in found[command] if name in one]
            middle = statistics.median(values) if values else float("nan")
            row.append(f"{middle:.2f} ({min(values):.2f}-{max(values):.2f})" if values else "none")
        rows.append(row)
    rows.append(["peak_mib", *(f"{peaks[command]:.0f}" for command in commands)])
    print(tabulate(rows, ["", *map(str, commands)], tablefmt="github"))


if __name__ == "__main__":
    main()
