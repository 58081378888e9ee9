"""The memory of a whole `harness run`, Flower and Ray included.

    python bench/waiting/tree_memory.py

Two clients train two steps of 16 examples, DoRA r=32 on the MLP of SmolLM2-135M, in `--actors`
processes of one thread; one row of each set is evaluated. Prints the largest sum, over all
processes of the tree, of their shares of memory (PSS: what several map counts once). Needs the
mirror (`HARNESS_MIRROR`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

LOOK_S = 0.25
RECIPE = (
    "--plugin=smollm2-dora/135m", "--set=rounds=1", "--set=max_steps=2", "--set=fraction=0.04",
    "--set=batch_size=16", "--set=peft.r=32", "--set=peft.alpha=64", "--limit=1", "--threads=1",
    "--device=cpu", "--quiet",
)  # fmt: skip


def tree_bytes(root: psutil.Process) -> int:
    """Return the memory of a process and its descendants."""
    total = 0
    for process in (root, *root.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue  # it ended between two looks
    return total


def peak_bytes(words: Sequence[str], folder: str) -> int:
    """Return the largest memory that a command and its descendants had together.

    Args:
        words: the command; one that fails ends this program.
        folder: where it runs.
    """
    peak = 0
    run = psutil.Popen(words, stdout=subprocess.DEVNULL, cwd=folder)
    while run.poll() is None:
        try:
            peak = max(peak, tree_bytes(run))
        except psutil.NoSuchProcess:
            break
        time.sleep(LOOK_S)
    if run.wait() != 0:
        sys.exit("harness run failed; its message is above")
    return peak


def main() -> None:
    """Run, watch and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actors", type=int, default=1)
    actors = parser.parse_args().actors
    command = Path(sys.executable).parent / "harness"
    with tempfile.TemporaryDirectory() as folder:
        options = (f"--actors={actors}", f"--out={folder}/run")
        peak = peak_bytes([str(command), "run", *RECIPE, *options], folder)
    print(json.dumps({"actors": actors, "peak_mib": round(peak / 2**20)}))


if __name__ == "__main__":
    main()
