"""Flip one bit of one gradient of one client in one of ten rounds, and dispute the two runs.

    python bench/dispute/places.py [--places 20] [--seed 1]

The model is tiny, Flower's processes are left out, everything else is real. Each place is drawn:
round, client, step, tensor and bit (of the fraction of the gradient's first number). A dispute must
name round, client, step and tensor, and support the run without the flip.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import tempfile
from pathlib import Path

TINY = Path(__file__).resolve().parents[2] / "tests" / "tiny"
sys.path.insert(0, str(TINY))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import logging  # noqa: E402

import torch  # noqa: E402
from one_bit import kept, one_bit_flipped, repeated_here  # noqa: E402
from tiny_model import make_tiny_model  # noqa: E402
from tiny_run import tiny_run  # noqa: E402

from harness.reproduce.dispute import dispute  # noqa: E402

ROUNDS = 10


def main() -> None:
    """Print each place and the verdicts; exit with 1 when one is not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    torch.set_num_threads(1)
    draw, found_places, repeated = random.Random(chosen.seed), 0, []
    with tempfile.TemporaryDirectory(prefix="dispute-") as name:
        folder = Path(name)
        run = tiny_run(make_tiny_model(folder / "model"), supernodes=4, rounds=ROUNDS)
        with repeated_here(run):
            partitions = kept(run, folder / "honest", keep_checkpoints=ROUNDS)
            clients = sum(len(item) for item in partitions)
            for index in range(chosen.places):
                number = draw.randint(1, ROUNDS)
                partition = draw.choice(partitions[number - 1])
                step = draw.randint(1, run.spec.train.max_steps)
                place = (number, partition, step, draw.randrange(4), draw.randint(0, 22))
                other = folder / f"flipped-{index}"
                with one_bit_flipped(place) as names:
                    kept(run, other, keep_checkpoints=ROUNDS)
                sides = [folder / "honest", other]
                honest = "first"
                if draw.random() < 0.5:
                    sides, honest = sides[::-1], "second"
                said = dispute(*sides, folder / f"again-{index}")
                at = said.place
                right = at is not None and said.supports == honest
                right = right and (at.round, at.partition, at.step, at.tensors) == (
                    number, partition, step, tuple(names),
                )  # fmt: skip
                found_places += right
                repeated.append((said.repeated_rounds, said.repeated_clients))
                print(f"{place}: {'found' if right else said.lines()}", flush=True)
    limit = 2 * math.log2(clients)
    print(
        f"{found_places} of {chosen.places} found; repeated for each: rounds"
        f" {max(item[0] for item in repeated)}, clients {max(item[1] for item in repeated)} at most"
        f" (2 log2 of {clients} clients in {ROUNDS} rounds is {limit:.1f})"
    )
    raise SystemExit(found_places < chosen.places)


if __name__ == "__main__":
    main()
