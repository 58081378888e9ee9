"""Peak memory of the server in a round of many large messages, and where its time goes.

    python bench/deployment/server_memory.py [--clients 50] [--all-in-memory] [--peak-only]

The clients are made up: each reply is made when the server asks for it, in shapes like those of
the reference entry. `--all-in-memory` keeps every reply in memory, as the server did before.
Prints resident bytes beyond those before the round: of its own (anonymous), and of files, which the
system gives back when memory is short.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "tiny"))

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict  # noqa: E402
from flwr.serverapp import Grid  # noqa: E402
from flwr.supercore.task_identity import TaskIdentity  # noqa: E402

from harness.document.units import MIB  # noqa: E402
from harness.federation.serverapp import client_requests  # noqa: E402
from harness.federation.serverapp.client_requests import ClientRequests  # noqa: E402
from harness.federation.serverapp.coded_messages import CodedMessages  # noqa: E402
from harness.federation.serverapp.transport import Transport  # noqa: E402
from harness.federation.storage.checkpoint import CHECKPOINTS  # noqa: E402
from harness.federation.wire.tensors import to_record  # noqa: E402
from harness.record.machine import Device  # noqa: E402

TENSORS = 144
"""Of the reference entry's adapter, about."""


class MadeUpClients(Grid):
    """Nodes whose replies are made when they are pulled."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Answer with tensors of these shapes."""
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1
        self.shapes = shapes
        self.asked: dict[str, Message] = {}

    def set_run(self, run: Any) -> None:
        """Nothing to do."""

    @property
    def run(self) -> Any:
        """No run."""
        return None

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """Not used."""
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        """Not used."""
        return []

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Remember what was asked."""
        ids = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = str(uuid4())
            ids.append(message.metadata.message_id)
            self.asked[ids[-1]] = message
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Make the replies."""
        for key in message_ids:
            asked = self.asked.pop(key)
            partition = asked.metadata.dst_node_id - 100
            # One row of its own for each client, over and over: random values for 50 clients would
            # take longer than what is measured.
            row = np.random.default_rng(partition).standard_normal(4096, dtype=np.float32)
            arrays = {name: np.resize(row, shape).copy() for name, shape in self.shapes.items()}
            device = Device(
                kind="cpu", name="made up", threads=1, dtype="float32", actors=1, deterministic=True
            )
            notes = {"partition": partition, "trained-influence": 1.0}
            notes["device"] = device.canonical_json()
            metrics = {"num-examples": 100, "train-loss": 1.0, "learning-rate": 1e-4}
            content = {
                "arrays": to_record(arrays),
                "metrics": MetricRecord(metrics),
                "harness": ConfigRecord(notes),
            }
            yield Message(RecordDict(content), reply_to=asked)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Not used."""
        raise NotImplementedError


class Peak:
    """The most that this process holds at a time, looked at a hundred times a second."""

    def __init__(self) -> None:
        """Begin now."""
        self.begin = self.now()
        self.most = dict(self.begin)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    @staticmethod
    def now() -> dict[str, int]:
        """Return resident bytes by kind."""
        found = {}
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(("RssAnon", "RssFile", "RssShmem")):
                name, value = line.split(":")
                found[name] = int(value.split()[0]) * 1024
        return found

    def _watch(self) -> None:
        while not self.over.wait(0.01):
            for name, value in self.now().items():
                self.most[name] = max(self.most[name], value)

    def text(self) -> str:
        """Return the most that came on top."""
        self.over.set()
        self.thread.join()
        return self._on_top(self.most)

    def held(self) -> str:
        """Return what is on top now, and the most so far."""
        return f"{self._on_top(self.now())}; most so far {self._on_top(self.most)}"

    def _on_top(self, found: dict[str, int]) -> str:
        return ", ".join(
            f"{name[3:].lower()} {(value - self.begin[name]) / MIB:.0f} MiB"
            for name, value in found.items()
        )


def timed(name: str, begin: float, cpu: float) -> None:
    """Print how long a part took."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"  {name:<34} {used.ru_utime + used.ru_stime - cpu:6.1f} s of processor time,"
          f" {time.monotonic() - begin:6.1f} s")  # fmt: skip


def processor() -> float:
    """Return the processor seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run what the arguments say."""
    from flwr.serverapp.strategy import FedAvg
    from tiny_model import make_tiny_model
    from tiny_run import tiny_run

    from harness.components import RoundPlan
    from harness.federation.dependence.case import Case
    from harness.federation.dependence.check_round import check_round
    from harness.federation.dependence.own_aggregation import OwnAggregation
    from harness.federation.open_run import OpenRun
    from harness.federation.options import Options
    from harness.federation.serverapp.aggregation_error import aggregation_error
    from harness.federation.wire.tensors import digest_arrays, to_tensors

    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--mib", type=float, default=92.0)
    parser.add_argument("--all-in-memory", action="store_true")
    parser.add_argument("--peak-only", action="store_true")
    chosen = parser.parse_args()
    if chosen.all_in_memory:
        client_requests.KEPT_IN_MEMORY = chosen.clients
        client_requests.CHECKED_AT_ONCE = chosen.clients
    width = int(chosen.mib * MIB / 4 / TENSORS / 32)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(TENSORS // 2):
        shapes[f"layers.{layer}.lora_A.weight"] = (32, width)
        shapes[f"layers.{layer}.lora_B.weight"] = (width, 32)
    place = Path(tempfile.mkdtemp(prefix="server-memory-", dir="/var/tmp"))
    (place / CHECKPOINTS).mkdir()
    run = tiny_run(make_tiny_model(place / "model"), supernodes=chosen.clients, fraction=1.0)
    opened = OpenRun(run.job)
    plan = RoundPlan(down=shapes, up=shapes, train=frozenset(shapes), keep={})
    roster = {partition: 100 + partition for partition in range(chosen.clients)}
    transport = Transport(MadeUpClients(shapes), 1, threading.Event())
    requests = ClientRequests(opened, transport, roster, place, Options(quiet=True))
    before = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    content = RecordDict({"arrays": to_record(before)})
    peak = Peak()
    begin, cpu = time.monotonic(), processor()
    replies = requests.train(1, CodedMessages(dict.fromkeys(roster, content)), plan)
    timed("replies made, checked, digested", begin, cpu)
    print(f"  then: {peak.held()}")
    begin, cpu = time.monotonic(), processor()
    strategy = FedAvg(fraction_train=1.0, fraction_evaluate=0.0)
    arrays, _ = strategy.aggregate_train(1, [reply.message for reply in replies])
    after = to_tensors(arrays)
    timed("averaged by the strategy", begin, cpu)
    print(f"  then: {peak.held()}")
    how = "all in memory" if chosen.all_in_memory else "one in memory, the others in files"
    print(f"{chosen.clients} clients of {chosen.mib:g} MiB, {how}: peak {peak.text()}", flush=True)
    if chosen.peak_only:
        return
    begin, cpu = time.monotonic(), processor()
    digest_arrays(after)
    timed("aggregate digested", begin, cpu)
    begin, cpu = time.monotonic(), processor()
    aggregation_error([reply.arrays for reply in replies], [1] * len(replies))
    timed("aggregation error", begin, cpu)
    begin, cpu = time.monotonic(), processor()
    own = OwnAggregation(
        opened.spec, chosen.clients, opened.components.strategy_params.model_dump(mode="json")
    )
    case = Case(
        round=1, before=before, sent=(before,), updates=[reply.arrays for reply in replies],
        examples=[reply.examples for reply in replies], losses=[1.0] * len(replies), after=after,
        travelling=list(before),
    )  # fmt: skip
    check_round(case, own, None, lambda: None, tuple(roster.values()))
    timed("aggregate held against its replies", begin, cpu)


if __name__ == "__main__":
    main()
