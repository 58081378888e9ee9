"""Rules on bytes: of a message, a round, the run, and the adapter that travels."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from harness.forecast import message_bytes, message_bytes_legacy
from harness.verify.rule import Breach, Rule
from harness.verify.subject import Subject

WHOLE_ADAPTER = frozenset({"standard/fedavg", "standard/fedprox"})
"""Strategies of which it is known without their code that every message is the whole adapter."""

HEADER_BYTES_PER_TENSOR = 512
"""Most that a safetensors header spends on one tensor: its name, dtype, shape, offsets."""


A_SUFFIX = ".lora_A.weight"
"""What `standard/ffa-lora` freezes: it is saved and never sent."""


def message(subject: Subject) -> Iterator[Breach]:
    """One message is as large as the adapter's tensors make it, by both counts."""
    shapes = {item.name: item.shape for item in subject.record.adapter.tensors}
    traffic = subject.record.communication
    for place, found, expected in (
        ("message_bytes", traffic.message_bytes, message_bytes(shapes)),
        ("message_bytes_legacy", traffic.message_bytes_legacy, message_bytes_legacy(shapes)),
    ):
        if found != expected:
            yield f"communication.{place}", found, expected


def round_bytes(subject: Subject) -> Iterator[Breach]:
    """A round sends one message to each client and gets one from each.

    A message is the whole adapter, or what the round says where its strategy moves a part.
    """
    whole = subject.record.communication.message_bytes
    partial = subject.record.spec.strategy.name not in WHOLE_ADAPTER
    moved = _without_frozen(subject)
    for index, item in enumerate(subject.record.federation.rounds):
        place = f"federation.rounds[{index}]"
        sizes = (item.message_bytes_down, item.message_bytes_up)
        if not partial and sizes != (moved, moved):
            expected = "none: this strategy moves all" if moved is None else f"{moved} both ways"
            yield f"{place}.message_bytes_down and _up", sizes, expected
            continue
        size_down, size_up = (whole if size is None else size for size in sizes)
        down = len(item.partitions) * size_down
        if item.bytes_down != down:
            yield f"{place}.bytes_down", item.bytes_down, f"{down}: {size_down} to each client"
        up = sum(client.bytes_up for client in item.clients)
        if item.bytes_up != up:
            yield f"{place}.bytes_up", item.bytes_up, f"{up}: the clients' sum"
        for client in item.clients:
            if client.bytes_up != size_up:
                yield f"{place}, partition {client.partition}: bytes_up", client.bytes_up, size_up


def _without_frozen(subject: Subject) -> int | None:
    """Bytes of one message where the PEFT method freezes a part of the adapter, else None."""
    if subject.record.spec.peft.name != "standard/ffa-lora":
        return None
    tensors = subject.record.adapter.tensors
    return message_bytes({t.name: t.shape for t in tensors if not t.name.endswith(A_SUFFIX)})


def total(subject: Subject) -> Iterator[Breach]:
    """The total is the sum of all rounds, both directions."""
    rounds = subject.record.federation.rounds
    expected = sum(item.bytes_down + item.bytes_up for item in rounds)
    found = subject.record.communication.bytes_total
    if found != expected:
        yield "communication.bytes_total", found, expected


def limit(subject: Subject) -> Iterator[Breach]:
    """The limit is the challenge's; whether it was kept is a matter of eligibility."""
    expected = subject.challenge.communication.limit_bytes
    found = subject.record.communication.limit_bytes
    if found != expected:
        yield "communication.limit_bytes", found, expected


def parameters(subject: Subject) -> Iterator[Breach]:
    """The adapter has as many parameters as its tensors, and a file that can hold them."""
    adapter = subject.record.adapter
    expected = sum(prod(item.shape) for item in adapter.tensors)
    if adapter.parameters != expected:
        yield "adapter.parameters", adapter.parameters, expected
    least = 4 * expected + 8
    most = least + 4_096 + HEADER_BYTES_PER_TENSOR * len(adapter.tensors)
    if not least <= adapter.file_bytes <= most:
        yield "adapter.file_bytes", adapter.file_bytes, f"{least}..{most} for float32 tensors"


def tensors(subject: Subject) -> Iterator[Breach]:
    """Tensors are named once, in order, with positive sizes."""
    found = [item.name for item in subject.record.adapter.tensors]
    if found != sorted(set(found)):
        yield "adapter.tensors", "names twice or out of order", "sorted by name, each once"
    for item in subject.record.adapter.tensors:
        if len(item.shape) > 8 or any(size < 1 for size in item.shape):
            yield f"adapter.tensors: {item.name}", item.shape, "1 to 8 positive sizes"


RULES = (
    Rule("message-bytes", "One message has the size of the adapter's tensors",
         "flwr ArrayRecord.count_bytes; the legacy count leaves the names out", message),
    Rule("round-bytes", "A round sends one message to and from each client",
         "template strategy.py, communication tracker", round_bytes),
    Rule("total-bytes", "The total is the sum over rounds",
         "template strategy.py, communication tracker", total),
    Rule("limit-bytes", "The limit is the challenge's", "template strategy.py: 200,000 MB", limit),
    Rule("adapter-size", "Parameters and file size follow from the tensors", "safetensors format",
         parameters),
    Rule("adapter-tensors", "Tensors are listed once, sorted", "harness record format", tensors),
)  # fmt: skip
