"""Rules on bytes: of a message, a round, the run, and the adapter that travels."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from harness.document.safetensors_header import file_bytes
from harness.planning.forecast import message_bytes, message_bytes_legacy
from harness.record.federation import RoundRecord
from harness.verify.independent.round_messages import moved_bytes, moves, whole_coded_bytes
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

SMALLEST_MESSAGE = 128 + 4 + 1
"""Bytes of a message of one number under a name of one letter."""


def message(submission: Submission) -> Iterator[Breach]:
    """One message is as large as the adapter's tensors make it, by both counts."""
    shapes = {item.name: item.shape for item in submission.record.adapter.tensors}
    traffic = submission.record.communication
    for place, found, expected in (
        ("message_bytes", traffic.message_bytes, message_bytes(shapes)),
        ("message_bytes_legacy", traffic.message_bytes_legacy, message_bytes_legacy(shapes)),
    ):
        if found != expected:
            yield f"communication.{place}", found, expected


def round_bytes(submission: Submission) -> Iterator[Breach]:
    """A round sends one message to each client and gets one from each.

    A message is what the strategy moves of the adapter; see
    `harness.verify.independent.round_messages`.
    """
    whole = submission.record.communication.message_bytes
    for index, item in enumerate(submission.record.federation.rounds):
        place = f"federation.rounds[{index}]"
        down, up = (
            whole if size is None else size
            for size in (item.message_bytes_down, item.message_bytes_up)
        )
        yield from _stated_sizes(submission, item, place)
        expected_down = len(item.partitions) * down
        if item.bytes_down != expected_down:
            expected = f"{expected_down}: {down} to each client"
            yield f"{place}.bytes_down", item.bytes_down, expected
        expected_up = sum(client.bytes_up for client in item.clients)
        if item.bytes_up != expected_up:
            yield f"{place}.bytes_up", item.bytes_up, f"{expected_up}: the clients' sum"
        for client in item.clients:
            if client.bytes_up != up:
                yield f"{place}, partition {client.partition}: bytes_up", client.bytes_up, up


def _stated_sizes(submission: Submission, item: RoundRecord, place: str) -> Iterator[Breach]:
    """Check the sizes that a round states where its messages are not the whole adapter."""
    whole = submission.record.communication.message_bytes
    known = moved_bytes(submission, item.round)
    for way, found, size in (
        ("down", item.message_bytes_down, known and known[0]),
        ("up", item.message_bytes_up, known and known[1]),
    ):
        if size is not None:
            expected = None if size == whole else size
            if found != expected:
                what = f"{size} bytes: what {submission.record.spec.strategy.name} moves"
                yield f"{place}.message_bytes_{way}", found, f"{expected} ({what})"
        elif way == "up" and found is not None and found < SMALLEST_MESSAGE:
            yield f"{place}.message_bytes_up", found, f"{SMALLEST_MESSAGE} or more"


def taken_as_stated(submission: Submission) -> Iterator[Breach]:
    """Sizes of partial messages of a strategy that is not known here follow from nothing else."""
    plain = submission.record.communication.message_bytes
    coded = whole_coded_bytes(submission)
    for item in submission.record.federation.rounds:
        sizes = (item.message_bytes_down, item.message_bytes_up)
        whole = (sizes[0] or plain, sizes[1] or plain) == coded
        if sizes != (None, None) and not whole and moves(submission, item.round) is None:
            spec = submission.record.spec
            yield (
                f"federation: messages of {spec.strategy.name} with {spec.peft.name}",
                f"{sizes[0]} down and {sizes[1]} up in round {item.round}",
                "the whole adapter, or a strategy and method of which the checker knows the parts",
            )
            return


def total(submission: Submission) -> Iterator[Breach]:
    """The total is the sum of all rounds, both directions."""
    rounds = submission.record.federation.rounds
    expected = sum(item.bytes_down + item.bytes_up for item in rounds)
    found = submission.record.communication.bytes_total
    if found != expected:
        yield "communication.bytes_total", found, expected


def limit(submission: Submission) -> Iterator[Breach]:
    """The limit is the challenge's; whether it was kept is a matter of eligibility."""
    expected = submission.challenge.communication.limit_bytes
    found = submission.record.communication.limit_bytes
    if found != expected:
        yield "communication.limit_bytes", found, expected


def parameters(submission: Submission) -> Iterator[Breach]:
    """The adapter has as many parameters as its tensors, and the file that holds them."""
    adapter = submission.record.adapter
    expected = sum(prod(item.shape) for item in adapter.tensors)
    if adapter.parameters != expected:
        yield "adapter.parameters", adapter.parameters, expected
    size = file_bytes({item.name: item.shape for item in adapter.tensors})
    if adapter.file_bytes != size:
        yield "adapter.file_bytes", adapter.file_bytes, f"{size} for these float32 tensors"


def tensors(submission: Submission) -> Iterator[Breach]:
    """Tensors are named once, in order, with positive sizes."""
    found = [item.name for item in submission.record.adapter.tensors]
    if found != sorted(set(found)):
        yield "adapter.tensors", "names twice or out of order", "sorted by name, each once"
    for item in submission.record.adapter.tensors:
        if len(item.shape) > 8 or min(item.shape, default=1) < 1:
            yield f"adapter.tensors: {item.name}", item.shape, "1 to 8 positive sizes"


RULES = (
    Rule("message-bytes", "One message has the size of the adapter's tensors",
         "flwr ArrayRecord.count_bytes; the legacy count leaves the names out", message),
    Rule("round-bytes", "A round sends one message to and from each client",
         "template strategy.py, communication tracker", round_bytes),
    Rule("stated-bytes", "Messages are of a known size",
         "harness.verify.independent.round_messages", taken_as_stated, severity="warning"),
    Rule("total-bytes", "The total is the sum over rounds",
         "template strategy.py, communication tracker", total),
    Rule("limit-bytes", "The limit is the challenge's", "template strategy.py: 200,000 MB", limit),
    Rule("adapter-size", "Parameters and file size follow from the tensors", "safetensors format",
         parameters),
    Rule("adapter-tensors", "Tensors are listed once, sorted", "harness record format", tensors),
)  # fmt: skip
