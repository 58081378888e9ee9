"""What a round costs beyond local training: `python bench/speed/round.py`.

A real federation in Flower's simulation with the reference entry's messages: DoRA r=32 on the MLP
of SmolLM2-1.7B, 92 MiB each way, five clients a round. Only the training itself is left out:
`no_training.py` stands in for it in the client processes and waits for `--training-s` seconds, as
for a GPU at work. What a round takes beyond the clients' turns of that length is messages, checks,
digests, aggregation and checkpoint. Round 1 is left out: it starts the client processes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "tiny"))

from environment import environment_with
from no_training import TRAINING_S

from harness.federation.job import Job
from harness.federation.options import Options
from harness.federation.order import FederationOrder
from harness.federation.served import serve
from harness.federation.storage.ledger import Ledger
from harness.library_internals.ray import ray_folder
from harness.planning.resolve import Request, resolve
from harness.processes.lifetime import Guardian
from harness.record.federation import RoundRecord
from harness.sources import locate

HERE = Path(__file__).resolve().parent

STAND_IN = """
import importlib, sys
sys.modules["harness.training.trainer"] = importlib.import_module("no_training")
"""
"""Every Python process that finds this as `sitecustomize` trains nothing."""


def rounds_s(
    plugin: str, rounds: int, actors: int, training_s: float
) -> tuple[list[float], float, int]:
    """Run it; return each round's seconds but the first's, one message's MiB and the clients.

    Seconds from line to line of the ledger, the last thing that is done for a round.
    """
    os.environ[TRAINING_S] = str(training_s)
    ends: list[float] = []
    append = Ledger.append

    def noted(ledger: Ledger, record: RoundRecord) -> None:
        append(ledger, record)
        ends.append(time.perf_counter())

    Ledger.append = noted  # type: ignore[method-assign]
    sets = (f"rounds={rounds}", "max_steps=1")
    resolved = resolve(Request(plugin, overrides=sets, device="cpu", threads=1))
    small = resolve(Request(plugin, smoke=True, device="cpu"))
    assets = locate(small.spec, small.challenge, None)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(STAND_IN)
        # Ray starts client processes with this one's Python, which need the stand-in installed.
        sys.executable = str(environment_with(Path(folder) / "environment", site, HERE))
        options = Options(actors=actors, quiet=True)
        run_dir = Path(folder) / "run"
        run_dir.mkdir()
        job = Job(spec=resolved.spec, challenge=resolved.challenge, assets=assets)
        ray = ray_folder("harness-bench-")
        with Guardian(ray):
            # In this process, where the lines of the ledger can be timed as they are written.
            serve(FederationOrder(job=job, options=options, run_dir=str(run_dir), folder=ray))
    forecast = resolved.forecast.communication
    taken = [end - begin for begin, end in pairwise(ends)]
    return taken, forecast.message_bytes / 2**20, forecast.clients_per_round


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugin", default="smollm2-dora", help="whose messages")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--training-s", type=float, default=1.0)
    chosen = parser.parse_args()
    taken, message_mib, clients = rounds_s(
        chosen.plugin, chosen.rounds, chosen.actors, chosen.training_s
    )
    turns = -(-clients // chosen.actors)
    beyond = [item - turns * chosen.training_s for item in taken]
    result = {
        "clients": clients,
        "message_mib": round(message_mib, 1),
        "actors": chosen.actors,
        "training_s": chosen.training_s,
        "overhead_s": [round(item, 3) for item in beyond],
        "median_s": round(statistics.median(beyond), 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
