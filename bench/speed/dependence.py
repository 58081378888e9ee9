"""What it costs to hold a round's aggregate against its replies, beside a measured round.

    python bench/speed/dependence.py [--clients 5] [--rank 32] [--repeat 5]

Random updates of the laptop recipe's DoRA adapter are aggregated by FedAvg, and then checked in
this one process: by the formula, as a round of a known strategy is, and by trials on copies, as one
of a strategy of others is. A client's part is checked with DP's clipping, which is asked twice.
Each is timed several times, in processor seconds, which other work on the machine does not stretch;
the medians are compared with the rounds of the committed run, on two cores, whose smaller adapter
trains faster.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg

from harness.components import LocalRound
from harness.federation.dependence.case import Case
from harness.federation.dependence.check_round import check_round
from harness.federation.dependence.own_aggregation import OwnAggregation
from harness.federation.dependence.trial import MidRound
from harness.federation.serverapp.seeding import seed_draws
from harness.federation.strategy_parts import client_part
from harness.federation.wire.tensors import to_record, to_tensors
from harness.library_internals.flower import sending_as
from harness.planning.resolve import Request, resolve
from harness.plugins import find_strategy
from harness.training.reply.reply_influence import Asked, reply_of

RECORD = Path(__file__).resolve().parents[2] / "submissions/finance/smollm2-135m-dora/result.json"


class Nodes:
    """A grid of fifty nodes."""

    def get_node_ids(self) -> list[int]:
        """Return their ids."""
        return list(range(50))


def main() -> None:
    """Print the median processor seconds of each part and its share of a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    logging.getLogger("flwr").disabled = True
    rounds = json.loads(RECORD.read_text())["federation"]["rounds"]
    round_s = statistics.median(item["duration_s"] for item in rounds)
    sets = (f"peft.r={chosen.rank}", f"peft.alpha={2 * chosen.rank}")
    resolved = resolve(Request("smollm2-dora/135m", overrides=sets))
    spec = resolved.spec
    shapes = resolved.components.method.shapes(spec.model, resolved.components.peft_params)
    draw = np.random.default_rng(0)
    before = {name: draw.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    print(f"{chosen.clients} clients, {sum(a.size for a in before.values()):,} values each;")
    print(f"a round of the committed run took {round_s:.1f} s")
    with sending_as(1):
        for name, work in parts(spec, before, chosen.clients, draw).items():
            took = statistics.median(timed(work) for _ in range(chosen.repeat))
            print(f"  {name:<34} {took:7.3f} s  {100 * took / round_s:6.2f} % of a round")


def timed(work: Callable[[], object]) -> float:
    """Return the processor seconds that a piece of work takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def parts(spec, before, clients, draw) -> dict[str, Callable[[], object]]:  # type: ignore[no-untyped-def]
    """Return what is timed, by name."""
    build = partial(
        FedAvg, fraction_train=clients / 50, fraction_evaluate=0.0, min_train_nodes=clients
    )
    strategy = build()
    sent = list(strategy.configure_train(1, to_record(before), ConfigRecord(), Nodes()))
    replies = []
    for message in sent[:clients]:
        update = {
            name: values + 1e-3 * draw.standard_normal(values.shape, np.float32)
            for name, values in before.items()
        }
        metrics = MetricRecord({"num-examples": 1536, "train-loss": 1.0, "learning-rate": 1e-3})
        content = RecordDict({"arrays": to_record(update), "metrics": metrics})
        replies.append(Message(content, reply_to=message))
    held = MidRound.of(1, strategy, build, replies)
    record, _ = strategy.aggregate_train(1, replies)
    case = Case(
        round=1, before=before, sent=[before], updates=held.replies(), examples=[1536] * clients,
        losses=[1.0] * clients, after=to_tensors(record), travelling=list(before),
    )  # fmt: skip
    seed = partial(seed_draws, spec.seed, "aggregation", 1)
    other = spec.with_values(strategy={"name": "theirs/own", "params": {}})
    found = {
        "formula of a known strategy": partial(
            check_round, case, OwnAggregation(spec, 50), None, seed, range(50)
        ),
        "state of one of others, copied": partial(MidRound.of, 1, strategy, build, replies),
        f"trials of one of others, {clients + 3} times": partial(
            check_round, case, OwnAggregation(other, 50), held, seed, range(50)
        ),
    }
    for name in ("fedavg", "dp-client-side"):
        method = find_strategy(f"standard/{name}", "standard").value
        part = client_part(name, method, method.params())
        done = LocalRound(before, case.updates[0], 40, 1e-3, {"clipping_norm": 1.0})
        asked = Asked(name, 1, 0, spec.seed, could_move=True)
        found[f"one client's reply, {name}"] = partial(
            reply_of, before, part, done, frozenset(before), before, asked
        )
    return found


if __name__ == "__main__":
    main()
