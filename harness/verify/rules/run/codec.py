"""Rules on what a message codec leaves in a record."""

from __future__ import annotations

from collections.abc import Iterator

from harness.codec.choice import Codec
from harness.codec.sizes import goes, most_lost
from harness.components import Shapes
from harness.record.federation import ClientRecord, RoundRecord
from harness.verify.independent.round_messages import moves
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

SLACK = 1e-4
"""Relative: a loss of the length of a whole message is summed in another order."""


def stated_codec(submission: Submission) -> Iterator[Breach]:
    """Digests of encoded messages are there exactly where the run's codec goes, and losses fit it.

    The bytes are checked with those of all messages, by the rules on traffic.
    """
    codec = submission.record.spec.train.codec
    down, up = goes(codec, "down"), goes(codec, "up")
    for index, item in enumerate(submission.record.federation.rounds):
        place = f"federation.rounds[{index}]"
        known = moves(submission, item.round)
        # A round that sends nothing down has nothing to encode.
        if known is not None or down is None:
            sent = {} if known is None else known[0]
            yield from _of(item, place, down if sent else None, sent)
        for client in item.clients:
            where = f"{place}, partition {client.partition}"
            yield from _of(client, where, up, None if known is None else known[1])


def _of(
    item: RoundRecord | ClientRecord, place: str, codec: Codec | None, shapes: Shapes | None
) -> Iterator[Breach]:
    """Check what one record says of encoding; the shapes are None where they are not known."""
    for name in ("encoded_sha256", "codec_loss"):
        found = getattr(item, name)
        if (found is not None) is not (codec is not None):
            expected = "null: nothing is encoded" if codec is None else "a value: it is encoded"
            yield f"{place}: {name}", found, expected
    if codec is None or shapes is None or item.codec_loss is None:
        return
    most = most_lost(codec, shapes)
    if item.codec_loss > most * (1 + SLACK):
        yield f"{place}: codec_loss", item.codec_loss, f"at most {most:.3g} by {codec.name}"


RULES = (
    Rule("codec", "What was encoded is what the run's codec encodes", "harness.codec",
         stated_codec),
)  # fmt: skip
