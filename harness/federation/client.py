"""The ClientApp: every supernode of every engine runs this and nothing else.

The module is light, so that 50 nodes can say their partition before anything heavy is loaded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from harness.errors import HarnessError
from harness.federation.clientapp import kept_in_messages
from harness.federation.clientapp.long_calls import kept_for_the_server
from harness.federation.clientapp.node_assets import MIRROR, clients_folder, job_here
from harness.federation.clientapp.steps_taken import counted
from harness.federation.clientapp.watchdog import time_limit
from harness.federation.wire.names import (
    ARRAYS_RECORD,
    CODEC_LOSS,
    CONFIG_RECORD,
    ERROR_RAISED,
    EXAMPLES,
    HARNESS_RECORD,
    LEARNING_RATE,
    LOSS,
    METRICS_RECORD,
    PEFT_CONFIG,
    TRAINED_INFLUENCE,
)
from harness.federation.wire.records import records_in
from harness.federation.wire.shared_memory import outgoing
from harness.federation.wire.tensors import to_tensors
from harness.library_internals.ray import end_at_once_on_sigterm
from harness.processes.carried_error import CarriedError
from harness.processes.loading import loading
from harness.processes.waiting_threads import let_threads_sleep

if TYPE_CHECKING:
    from harness.federation.clientapp.worker import Worker

LOAD_LIMIT_S = 900.0
"""Longest time for a client process to load the base model and the data. Apart from the limit of a
client's round, which is set by the user: loading happens once and depends on disks."""

app = ClientApp()

_worker: Worker | None = None
"""One per process, for the life of the process: loading it takes longer than many a round."""

_sent: list[ArrayRecord] = []
"""What was sent last. Its receiver has read it once there is another message to answer."""

Answer = tuple[RecordDict, dict[str, str | float]]
"""Records of a reply, and what its harness record says besides."""


@app.query()  # type: ignore[untyped-decorator]  # Flower is untyped to mypy here
def roster(message: Message, context: Context) -> Message:
    """Say which partition this node holds, after the checks that the message asks for."""
    end_at_once_on_sigterm()
    header = records_in(message.content, ConfigRecord).get(HARNESS_RECORD)
    partition = int(context.node_config["partition-id"])
    try:
        if header is not None:
            job_here(str(header["job"]), str(header["job-sha256"]), _mirror(context))
    except HarnessError as error:
        refusal = type(error)(f"supernode of partition {partition}: {error}")
        reason = CarriedError.of(refusal).text()
        return Message(Error(code=ERROR_RAISED, reason=reason), reply_to=message)
    return _reply(message, context, RecordDict(), {})


@app.query("initial")  # type: ignore[untyped-decorator]
def initial(message: Message, context: Context) -> Message:
    """Return the adapter as peft initialises it, and peft's configuration of it."""
    return _answered(message, context, _initial)


@app.train()  # type: ignore[untyped-decorator]
def train(message: Message, context: Context) -> Message:
    """Train the received adapter on this node's partition."""
    return _answered(message, context, _train)


def _initial(message: Message, partition: int, worker: Worker) -> Answer:
    content = RecordDict({ARRAYS_RECORD: _outgoing(worker.trainer.initial())})
    return content, {PEFT_CONFIG: worker.trainer.peft_config()}


def _train(message: Message, partition: int, worker: Worker) -> Answer:
    header = records_in(message.content, ConfigRecord)[HARNESS_RECORD]
    named = str(header["clients-dir"])
    if not header["kept-travels"]:
        return _trained(message, partition, worker, Path(named or clients_folder(worker.digest)))
    with kept_in_messages.home(message.content, partition, int(header["last-round"])) as folder:
        content, notes = _trained(message, partition, worker, folder)
        kept_in_messages.put(content, folder, partition, int(header["round"]))
        return content, notes


def _trained(message: Message, partition: int, worker: Worker, folder: Path) -> Answer:
    """Train, with what the client keeps at home in `folder`."""
    header = records_in(message.content, ConfigRecord)[HARNESS_RECORD]
    logs = Path(str(header["logs-dir"])) if header["logs-dir"] else None
    worker.trainer.refuse_other_peft_config(str(header[PEFT_CONFIG]))
    with counted(logs, partition) as after_step, kept_for_the_server(logs, partition):
        done = worker.train(
            to_tensors(records_in(message.content, ArrayRecord)[ARRAYS_RECORD]),
            int(header["round"]),
            partition,
            dict(records_in(message.content, ConfigRecord).get(CONFIG_RECORD, {})),
            int(header["last-round"]),
            folder,
            bool(header["keep-steps"]),
            None if header["clients-dir"] else int(header["keep-rounds"]),
            after_step,
        )
    update = done.update
    metrics = {
        EXAMPLES: update.examples,
        LOSS: float(update.train_loss),
        LEARNING_RATE: float(update.learning_rate),
    }
    content = {
        ARRAYS_RECORD: _outgoing(done.arrays),
        METRICS_RECORD: MetricRecord(metrics),
    }
    notes: dict[str, str | float] = {TRAINED_INFLUENCE: update.trained_influence}
    if done.codec_loss is not None:
        notes[CODEC_LOSS] = done.codec_loss
    return RecordDict(content), notes


def _outgoing(arrays: Mapping[str, np.ndarray]) -> ArrayRecord:
    _sent[:] = [outgoing(arrays)]
    return _sent[0]


def _worker_of(job_text: str, job_digest: str, mirror: Path | None) -> Worker:
    global _worker
    if _worker is None or _worker.digest != job_digest:
        job = job_here(job_text, job_digest, mirror)
        _worker = None
        # Flower, or Ray for it, has started this process where an app was called by `flwr run`.
        let_threads_sleep()
        with loading():
            from harness.federation.clientapp.worker import Worker

            _worker = Worker(job, job_digest)
    return _worker


def _mirror(context: Context) -> Path | None:
    named = str(context.node_config.get(MIRROR, ""))
    return Path(named) if named else None


def _answered(
    message: Message, context: Context, work: Callable[[Message, int, Worker], Answer]
) -> Message:
    """Answer a message with what `work` gives, or with the error that it raises."""
    header = records_in(message.content, ConfigRecord)[HARNESS_RECORD]
    partition = int(context.node_config["partition-id"])
    try:
        logs = Path(str(header["logs-dir"]) or tempfile.gettempdir())
        with time_limit(LOAD_LIMIT_S, logs, partition):
            text, digest = str(header["job"]), str(header["job-sha256"])
            worker = _worker_of(text, digest, _mirror(context))
        with time_limit(float(header["limit-s"]), logs, partition):
            content, notes = work(message, partition, worker)
            notes["device"] = worker.trainer.describe().canonical_json()
        return _reply(message, context, content, notes)
    except Exception as error:
        # Flower would keep the text of the exception only; the server needs the traceback.
        reason = CarriedError.of(error).text()
        return Message(Error(code=ERROR_RAISED, reason=reason), reply_to=message)


def _reply(
    message: Message, context: Context, content: RecordDict, notes: Mapping[str, str | float]
) -> Message:
    partition = int(context.node_config["partition-id"])
    content[HARNESS_RECORD] = ConfigRecord({"partition": partition, **notes})
    return Message(content, reply_to=message)
