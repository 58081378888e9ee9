"""What hashing, checking, recording and checkpointing cost, against a measured round.

    python bench/speed/overhead.py --run RUN_DIR [--plugin smollm2-dora/135m]

Everything that the harness does in a round beyond Flower's own work is done here on random updates
of the recipe's adapter: checking and digesting each update, the aggregation error, the record, the
checkpoint with its fsync, the ledger, deleting the old checkpoint. It is compared with `duration_s`
of the run's rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from harness.federation.serverapp.aggregation_error import aggregation_error
from harness.federation.storage import checkpoint
from harness.federation.storage.ledger import Ledger
from harness.federation.wire.tensors import difference, digest_arrays
from harness.planning.resolve import Request, resolve
from harness.plugins import load_components
from harness.record.federation import ClientRecord, RoundRecord
from harness.record.machine import Device

DEVICE = Device(kind="cpu", name="none", threads=1, actors=1, dtype="float32", deterministic=True)


def main() -> None:
    """Print seconds per part and the share of a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--plugin", default="smollm2-dora/135m")
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    rounds = Ledger(chosen.run).rounds
    round_s = statistics.mean(item.duration_s for item in rounds)
    spec = resolve(Request(chosen.plugin)).spec
    components = load_components(spec)
    shapes = components.method.shapes(spec.model, components.peft_params)
    draw = np.random.default_rng(0)
    clients = len(rounds[0].partitions)
    updates = [
        {name: draw.standard_normal(shape, np.float32) for name, shape in shapes.items()}
        for _ in range(clients)
    ]
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, chosen.repeat + 1):
            for part, took in one_round(updates, shapes, Path(folder), number).items():
                best[part] = min(took, best.get(part, took))
    total = sum(best.values())
    size = sum(array.nbytes for array in updates[0].values())
    print(f"{clients} updates of {size / 2**20:.1f} MiB in {len(shapes)} tensors")
    for part, took in best.items():
        print(f"  {part:<28} {took:7.3f} s")
    print(
        f"  {'all':<28} {total:7.3f} s = {100 * total / round_s:.2f} % of a {round_s:.1f} s round"
    )


def one_round(
    updates: list[dict[str, np.ndarray]],
    shapes: dict[str, tuple[int, ...]],
    folder: Path,
    number: int,
) -> dict[str, float]:
    """Do it once; return the wall time of each part in seconds."""
    took: dict[str, float] = {}
    begin = time.perf_counter()

    def lap(part: str) -> None:
        nonlocal begin
        now = time.perf_counter()
        took[part] = now - begin
        begin = now

    for update in updates:
        assert difference(update, shapes) is None
    lap("checking the updates")
    digests = [digest_arrays(update) for update in updates]
    lap("digesting the updates")
    error = aggregation_error(updates, [1] * len(updates))
    lap("aggregation error")
    record = RoundRecord(
        round=1,
        partitions=tuple(range(len(updates))),
        bytes_down=1,
        bytes_up=1,
        train_loss=1.0,
        learning_rate=1.0,
        clients=tuple(
            ClientRecord(
                partition=index, examples=1, train_loss=1.0, update_sha256=digest, bytes_up=1
            )
            for index, digest in enumerate(digests)
        ),
        aggregate_sha256=digest_arrays(updates[0]),
        aggregation_error=error,
        duration_s=1.0,
        previous_digest="0" * 64,
        digest="",
    )
    record = record.with_values(digest=record.chain_digest())
    lap("aggregate digest and record")
    meta = {
        "round": number,
        "spec_digest": "0" * 64,
        "data_sha256": (),
        "record": record,
        "state": {},
        "roster_sha256": "0" * 64,
        "device": DEVICE,
        "peft_config": "{}",
    }
    checkpoint.save(folder, meta, updates[0], {})
    checkpoint.prune(folder, 2)
    lap("checkpoint, fsync and pruning")
    ledger = Ledger(folder)
    ledger.keep(0)
    ledger.append(record)
    lap("ledger")
    return took


if __name__ == "__main__":
    main()
