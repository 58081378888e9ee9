"""The ClientApp: every supernode of every engine runs this and nothing else.

The module is light, so that 50 nodes can say their partition before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from harness.federation.clientapp.watchdog import time_limit
from harness.federation.wire.names import (
    ARRAYS,
    CONFIG,
    ERROR_RAISED,
    EXAMPLES,
    FILES,
    HARNESS,
    LEARNING_RATE,
    LOAD_LIMIT_S,
    LOSS,
    METRICS,
)
from harness.federation.wire.shared_memory import outgoing
from harness.federation.wire.tensors import to_tensors
from harness.processes.carried_error import CarriedError

if TYPE_CHECKING:
    from harness.federation.clientapp.worker import Worker

app = ClientApp()

_worker: Worker | None = None
"""One per process, for the life of the process: loading it takes longer than many a round."""

_sent: list[ArrayRecord] = []
"""What was sent last. Its receiver has read it once there is another message to answer."""

Answer = tuple[RecordDict, dict[str, Any]]
"""Records of a reply, and notes for the harness's own record."""


@app.query()  # type: ignore[untyped-decorator]  # Flower is untyped to mypy here
def roster(message: Message, context: Context) -> Message:
    """Say which partition this node holds."""
    return _reply(message, context, RecordDict(), {})


@app.query("initial")  # type: ignore[untyped-decorator]
def initial(message: Message, context: Context) -> Message:
    """Return the adapter as peft initialises it."""
    return _guarded(message, context, _initial)


@app.query("save")  # type: ignore[untyped-decorator]
def save(message: Message, context: Context) -> Message:
    """Return the files of an adapter in peft's format, by value."""
    return _guarded(message, context, _save)


@app.train()  # type: ignore[untyped-decorator]
def train(message: Message, context: Context) -> Message:
    """Train the received adapter on this node's partition."""
    return _guarded(message, context, _train)


def _initial(message: Message, partition: int, worker: Worker) -> Answer:
    return RecordDict({ARRAYS: _outgoing(worker.initial())}), {}


def _save(message: Message, partition: int, worker: Worker) -> Answer:
    files = worker.files(to_tensors(message.content.array_records[ARRAYS]))
    return RecordDict({FILES: ConfigRecord(dict(files))}), {}


def _train(message: Message, partition: int, worker: Worker) -> Answer:
    order = message.content.config_records[HARNESS]
    update = worker.train(
        to_tensors(message.content.array_records[ARRAYS]),
        int(order["round"]),
        partition,
        dict(message.content.config_records.get(CONFIG, {})),
        int(order["last-round"]),
        Path(str(order["clients-dir"])),
    )
    metrics = {
        EXAMPLES: update.examples,
        LOSS: float(update.train_loss),
        LEARNING_RATE: float(update.learning_rate),
    }
    content = RecordDict({ARRAYS: _outgoing(update.arrays), METRICS: MetricRecord(metrics)})
    return content, {"step-losses": [float(loss) for loss in update.step_losses]}


def _outgoing(arrays: Mapping[str, np.ndarray]) -> ArrayRecord:
    _sent[:] = [outgoing(arrays)]
    return _sent[0]


def _worker_of(job_text: str, job_digest: str) -> Worker:
    global _worker
    if _worker is None or _worker.digest != job_digest:
        from harness.federation.clientapp.worker import Worker

        _worker = None
        _worker = Worker(job_text, job_digest)
    return _worker


def _guarded(
    message: Message, context: Context, work: Callable[[Message, int, Worker], Answer]
) -> Message:
    order = message.content.config_records[HARNESS]
    partition = int(context.node_config["partition-id"])
    try:
        logs = Path(str(order["logs-dir"]))
        with time_limit(LOAD_LIMIT_S, logs, partition):
            worker = _worker_of(str(order["job"]), str(order["job-sha256"]))
        with time_limit(float(order["limit-s"]), logs, partition):
            content, notes = work(message, partition, worker)
            notes["facts"] = worker.facts()
        return _reply(message, context, content, notes)
    except Exception as error:
        # Flower would keep the text of the exception only; the server needs the traceback.
        reason = CarriedError.of(error).text()
        return Message(Error(code=ERROR_RAISED, reason=reason), reply_to=message)


def _reply(
    message: Message, context: Context, content: RecordDict, notes: dict[str, Any]
) -> Message:
    partition = int(context.node_config["partition-id"])
    content[HARNESS] = ConfigRecord({"partition": partition, **notes})
    return Message(content, reply_to=message)
