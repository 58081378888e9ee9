"""What a client's reply must be, and how a failed one is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord

from harness.codec.choice import Codec
from harness.document import parse_document, parse_json
from harness.errors import FederationError, HarnessError, RecordError
from harness.federation.serverapp.coded_messages import decode_reply
from harness.federation.wire.names import (
    ARRAYS_RECORD,
    CODEC_LOSS,
    EXAMPLES,
    HARNESS_RECORD,
    LEARNING_RATE,
    LOSS,
    METRICS_RECORD,
    TRAINED_INFLUENCE,
)
from harness.federation.wire.records import records_in
from harness.federation.wire.tensors import Shape, difference, digest_arrays, to_tensors
from harness.processes.carried_error import CarriedError
from harness.record.machine import Device


@dataclass(frozen=True, slots=True)
class Reply:
    """A checked reply of one client."""

    partition: int
    arrays: dict[str, np.ndarray]
    examples: int
    train_loss: float
    learning_rate: float
    device: Device
    """What the client said about itself; the number of actors is not in it."""
    bytes_up: int
    update_sha256: str
    attempts: int
    message: Message
    trained_influence: float
    """How what it returned follows what it trained; see `ClientRecord`."""
    encoded_sha256: str | None = None
    """Digest of the encoded array as it came, where the run's codec goes up."""
    codec_loss: float | None = None
    """What the client says that it lost; see `ClientRecord`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a reply cannot be used."""

    cause: str
    """One line."""
    details: str = ""
    """Traceback or stack of the client, when there is one."""
    final: type[HarnessError] | None = None
    """Error that the client itself raised on purpose: trying again would give it again."""


def check_reply(
    message: Message,
    partition: int,
    expected: Mapping[str, Shape],
    attempts: int,
    codec: Codec | None = None,
    held: Mapping[str, Any] | None = None,
) -> Reply | Fault:
    """Check one reply against what the round returns.

    Args:
        message: the reply.
        partition: whose reply it should be.
        expected: tensors of the update, in order.
        attempts: how often the client was asked.
        codec: of the run, or None.
        held: what the client was sent, as it decoded it, where its reply is a change of that.

    Returns:
        The checked reply, or the fault.
    """
    if message.has_error():
        return read_error(message.error.reason or "no reason given")
    records = records_in(message.content, ArrayRecord)
    if list(records) != [ARRAYS_RECORD]:
        return Fault(
            f"reply holds array records {sorted(records)}; expected one, {ARRAYS_RECORD!r}"
        )
    bytes_up = sum(record.count_bytes() for record in records.values())
    try:
        encoded = decode_reply(message, codec, dict(expected), held or {})
    except FederationError as error:
        return Fault(str(error))
    arrays = to_tensors(message.content[ARRAYS_RECORD])
    problem = difference(arrays, expected)
    if problem:
        return Fault(problem)
    metrics: Mapping[str, Any] = records_in(message.content, MetricRecord).get(METRICS_RECORD, {})
    notes: Mapping[str, Any] = records_in(message.content, ConfigRecord).get(HARNESS_RECORD, {})
    for key in (EXAMPLES, LOSS, LEARNING_RATE):
        value = metrics.get(key)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return Fault(f"metric {key} is {value!r}; expected a finite number")
    if int(metrics[EXAMPLES]) < 1 or int(metrics[EXAMPLES]) != metrics[EXAMPLES]:
        return Fault(f"metric {EXAMPLES} is {metrics[EXAMPLES]!r}; expected a whole number >= 1")
    if notes.get("partition") != partition:
        return Fault(f"reply says partition {notes.get('partition')!r}; expected {partition}")
    follows = notes.get(TRAINED_INFLUENCE)
    if not isinstance(follows, float) or not (math.isfinite(follows) and follows >= 0):
        return Fault(f"note {TRAINED_INFLUENCE} is {follows!r}; expected a number of 0 or more")
    loss = notes.get(CODEC_LOSS)
    if encoded is None:
        loss = None
    elif not isinstance(loss, float) or not (math.isfinite(loss) and loss >= 0):
        return Fault(f"note {CODEC_LOSS} is {loss!r}; expected a number of 0 or more")
    try:
        device = read_device(notes)
    except RecordError as error:
        return Fault(str(error))
    return Reply(
        partition=partition,
        arrays=arrays,
        examples=int(metrics[EXAMPLES]),
        train_loss=float(metrics[LOSS]),
        learning_rate=float(metrics[LEARNING_RATE]),
        device=device,
        bytes_up=bytes_up,
        update_sha256=digest_arrays(arrays),
        attempts=attempts,
        message=message,
        trained_influence=follows,
        encoded_sha256=encoded,
        codec_loss=loss,
    )


def read_error(reason: str) -> Fault:
    """Read the reason of an error reply: ours is JSON, Ray's is its own text."""
    try:
        error = CarriedError.read(reason, "error reply")
    except RecordError:
        if "ActorDied" in reason or "ActorUnavailable" in reason or "WorkerCrashed" in reason:
            return Fault("the process that ran it died")
        lines = [line.strip() for line in reason.splitlines() if line.strip()]
        return Fault(lines[-1] if lines else "an error without a reason", details=reason)
    if (kind := error.kind()) is not None:
        return Fault(error.message, final=kind)
    return Fault(f"{error.name}: {error.message}".splitlines()[0], details=error.traceback)


def read_device(notes: Mapping[str, Any]) -> Device:
    """Return what a client says about its device in the harness's record of its reply.

    Raises:
        RecordError: it says nothing, or something else.
    """
    where = "device of a client"
    return parse_document(Device, parse_json(str(notes.get("device", "")), where), where)
