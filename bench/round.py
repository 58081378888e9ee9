"""What a round costs beyond local training, at 90 MiB messages: `python bench/round.py`.

A real federation in Flower's simulation, one client process, five clients a round, an adapter of
the size that is asked for. Each client trains one step of one example. Then the same local training
is done again, in the same order, without any federation; what is left of each round's duration is
messages, checks, digests, aggregation and checkpoint. Round 1 loads the model and is left out.
Needs the mirror (`HARNESS_MIRROR`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness.federation.engine import Options, federate
from harness.plugins import load_components
from harness.resolve import Request, Resolved, resolve
from harness.sources import locate
from harness.training.trainer import Trainer

LEFT_OUT = 1
"""First rounds that are not counted."""


def resolved_with(message_mib: float, rounds: int) -> Resolved:
    """Return a run whose messages have about this size: DoRA on SmolLM2-135M, r chosen for it."""
    one, two = (message_mib_of(with_rank(rank, rounds)) for rank in (1, 2))
    return with_rank(2 + round((message_mib - two) / (two - one)), rounds)


def with_rank(rank: int, rounds: int) -> Resolved:
    """Return a run of that rank, with as little local training as there can be."""
    values = {"rounds": rounds, "max_steps": 1, "batch_size": 1, "peft.r": rank}
    sets = tuple(f"{key}={value}" for key, value in values.items())
    return resolve(Request("smollm2-dora/135m", overrides=sets, device="cpu", threads=1))


def message_mib_of(resolved: Resolved) -> float:
    """Return the size of one message."""
    return resolved.forecast.communication.message_bytes / 2**20


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=float, default=90.0, help="size of one message")
    parser.add_argument("--rounds", type=int, default=6)
    chosen = parser.parse_args()
    resolved = resolved_with(chosen.mib, chosen.rounds)
    spec, challenge = resolved.spec, resolved.challenge
    assets = locate(spec, challenge, None)
    with tempfile.TemporaryDirectory() as folder:
        options = Options(actors=1, quiet=True)
        rounds = federate(spec, challenge, assets, Path(folder), options).rounds
    trainer = Trainer(spec, challenge, assets, load_components(spec).method)
    arrays = trainer.initial()
    overhead_s = []
    for record in rounds:
        begin = time.perf_counter()
        for partition in record.partitions:
            trainer.train(arrays, record.round, partition)
        trained_s = time.perf_counter() - begin
        if record.round > LEFT_OUT:
            overhead_s.append(record.duration_s - trained_s)
            print(
                f"round {record.round}: {record.duration_s:.2f} s, of which training"
                f" {trained_s:.2f} s",
                file=sys.stderr,
            )
    print(
        json.dumps(
            {
                "clients": len(rounds[0].partitions),
                "message_mib": round(message_mib_of(resolved), 1),
                "overhead_s": [round(item, 3) for item in overhead_s],
                "median_s": round(statistics.median(overhead_s), 3),
            }
        )
    )


if __name__ == "__main__":
    main()
