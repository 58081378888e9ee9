"""The ClientApp: every supernode of every engine runs this and nothing else.

The module is light, so that 50 nodes can say their partition before anything heavy is loaded. What
is heavy (base model, tokenizer, tokenised partitions) is a Trainer that stays in its process from
one message to the next, whichever partition the message is for.
"""

from __future__ import annotations

import faulthandler
import json
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flwr.app import ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from harness.document import Document, canonical_json, parse_document, parse_json, sha256_text
from harness.federation.tensors import to_record, to_tensors
from harness.federation.wire import (
    ARRAYS,
    CONFIG,
    ERROR_RAISED,
    EXAMPLES,
    HARNESS,
    LEARNING_RATE,
    LOSS,
    METRICS,
    Job,
)

if TYPE_CHECKING:
    from harness.training.trainer import Trainer

app = ClientApp()

_trainer: tuple[str, Trainer] | None = None
"""(digest of the job's text, its trainer): one per process, for the life of the process."""


@app.query()  # type: ignore[untyped-decorator]  # Flower is untyped to mypy here
def roster(message: Message, context: Context) -> Message:
    """Say which partition this node holds."""
    return _answer(message, context, RecordDict(), {})


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


def trainer_of(job_text: str, job_digest: str) -> Trainer:
    """Return this process's trainer for a job, made on the first call.

    Raises:
        PluginError: the text is not what the server digested, or an installed plugin is not the
            one that the spec names.
    """
    global _trainer
    if _trainer is None or _trainer[0] != job_digest:
        from harness.errors import PluginError
        from harness.plugins import load_components
        from harness.training.trainer import Trainer

        if sha256_text(job_text) != job_digest:
            raise PluginError("the job arrived altered; its digest is not the server's")
        job = parse_document(Job, parse_json(job_text, "job"), "job")
        job.check()
        components = load_components(job.spec)
        objective = None
        if components.strategy.local_objective is not None:
            objective = components.strategy.local_objective(components.strategy_params)
        _trainer = None
        made = Trainer(job.spec, job.challenge, job.assets, components.method, objective)
        _trainer = (job_digest, made)
    return _trainer[1]


def _initial(
    message: Message, context: Context, trainer: Trainer
) -> tuple[RecordDict, dict[str, Any]]:
    content = RecordDict({ARRAYS: to_record(trainer.initial())})
    return content, {"facts": _facts(trainer)}


def _save(
    message: Message, context: Context, trainer: Trainer
) -> tuple[RecordDict, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="harness-adapter-") as folder:
        trainer.save(to_tensors(message.content.array_records[ARRAYS]), Path(folder))
        files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    return RecordDict({"files": ConfigRecord(dict(files))}), {"facts": _facts(trainer)}


def _train(
    message: Message, context: Context, trainer: Trainer
) -> tuple[RecordDict, dict[str, Any]]:
    order = message.content.config_records[HARNESS]
    config = message.content.config_records.get(CONFIG, {})
    update = trainer.train(
        to_tensors(message.content.array_records[ARRAYS]),
        int(order["round"]),
        int(context.node_config["partition-id"]),
        dict(config),
    )
    metrics = {
        EXAMPLES: update.examples,
        LOSS: float(update.train_loss),
        LEARNING_RATE: float(update.learning_rate),
    }
    content = RecordDict({ARRAYS: to_record(update.arrays), METRICS: MetricRecord(metrics)})
    losses = [float(loss) for loss in update.step_losses]
    return content, {"facts": _facts(trainer), "step-losses": losses}


def _facts(trainer: Trainer) -> str:
    facts = trainer.describe()
    return canonical_json(facts.model_dump(mode="json") if isinstance(facts, Document) else facts)


Work = Callable[[Message, Context, "Trainer"], tuple[RecordDict, dict[str, Any]]]


def _guarded(message: Message, context: Context, work: Work) -> Message:
    order = message.content.config_records[HARNESS]
    partition = int(context.node_config["partition-id"])
    try:
        with _time_limit(float(order["limit-s"]), str(order["hang-dir"]), partition):
            trainer = trainer_of(str(order["job"]), str(order["job-sha256"]))
            content, notes = work(message, context, trainer)
        return _answer(message, context, content, notes)
    except Exception as error:
        # Flower would keep the text of the exception only; the server needs the traceback.
        reason = {
            "type": type(error).__name__,
            "message": str(error),
            "traceback": traceback.format_exc(),
        }
        return Message(Error(code=ERROR_RAISED, reason=json.dumps(reason)), reply_to=message)


def _answer(
    message: Message, context: Context, content: RecordDict, notes: dict[str, Any]
) -> Message:
    partition = int(context.node_config["partition-id"])
    content[HARNESS] = ConfigRecord({"partition": partition, **notes})
    return Message(content, reply_to=message)


@contextmanager
def _time_limit(limit_s: float, folder: str, partition: int) -> Iterator[None]:
    """End this process after `limit_s` seconds, leaving its stack in `folder`.

    A thread of C code does it, so it works while Python cannot run: a hang inside torch included.
    """
    path = hang_file(Path(folder), partition)
    if not path.parent.is_dir():
        path = hang_file(Path(tempfile.gettempdir()), partition)
    with path.open("w") as file:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)


def hang_file(folder: Path, partition: int) -> Path:
    """Return where the stack of a client that hung is written."""
    return folder / f"hang-{partition}.txt"
