"""How long threads should look before they sleep: `python bench/speed/spinning.py [--busy 0 2 4]`.

A client of two threads trains alone and beside loops that want a processor each, with every way of
waiting that OpenMP knows. Seconds of a step of 16 finance rows, DoRA r=32 on the MLP. Needs the
mirror (`HARNESS_MIRROR`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).resolve().parent))

WAYS: dict[str, dict[str, str]] = {
    "asleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    **{f"{count:,} looks": {"GOMP_SPINCOUNT": str(count)} for count in (1000, 2000, 20_000)},
    "OpenMP's own": {},
}
LOOP = "while True: pass"


def child(threads: int, steps: int) -> None:
    """Warm up, train, print the seconds of a step."""
    from step import fast_case, make_spec

    step, _ = fast_case(*make_spec("dora", 16, threads, 0.075))
    step()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    print((time.perf_counter() - begin) / steps)


def seconds(way: dict[str, str], threads: int, steps: int) -> float:
    """Return the seconds of a step in a fresh process."""
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    words = ["--child", "--threads", str(threads), "--steps", str(steps)]
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, capture_output=True, text=True,
        env=kept | way | {"OMP_NUM_THREADS": str(threads)},
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure every way beside every number of loops and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy", nargs="*", type=int, default=[0, 2, 4])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.threads, chosen.steps)
        return
    table: list[dict[str, object]] = [{"threads that wait are": name} for name in WAYS]
    for count in chosen.busy:
        loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(count)]
        try:
            for row, way in zip(table, WAYS.values(), strict=True):
                found = seconds(way, chosen.threads, chosen.steps)
                row[f"beside {count} loops, s"] = f"{found:.2f}"
        finally:
            for loop in loops:
                loop.kill()
    print(tabulate(table, headers="keys", tablefmt="github"))


if __name__ == "__main__":
    main()
