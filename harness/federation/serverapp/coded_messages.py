"""Messages of a round as they travel: encoded where the run has a codec, and replies decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flwr.app import ArrayRecord, Message, RecordDict

from harness.codec.choice import Codec
from harness.codec.coding import Tensors, decode, encode
from harness.codec.sizes import ENCODED, goes
from harness.components import RoundPlan, Shapes
from harness.document import sha256_text
from harness.errors import FederationError
from harness.federation.wire.names import ARRAYS_RECORD
from harness.federation.wire.records import records_in
from harness.federation.wire.tensors import digest_arrays, to_record, to_tensors


@dataclass(frozen=True, slots=True)
class CodedMessages:
    """The messages of one round to its clients, and what each client has of them."""

    contents: dict[int, RecordDict]
    """Partition -> what is sent; of the strategy where nothing is encoded."""
    held: dict[int, Tensors] = field(default_factory=dict)
    """Partition -> the tensors that the client decodes, where its reply is a change of them."""
    sha256: str | None = None
    """Digest over the digests of what was encoded, each once; None: nothing was."""
    loss: float | None = None
    """Largest |lost| / |message| of a message."""


def code_messages(
    wanted: Mapping[int, RecordDict], plan: RoundPlan, codec: Codec | None
) -> CodedMessages:
    """Return the messages of a round as they travel.

    Args:
        wanted: partition -> content by the strategy, checked against the plan.
        plan: what the round moves.
        codec: of the run, or None.

    Raises:
        FederationError: the codec cannot encode a tensor; see `harness.codec.coding.encode`.
    """
    if codec is None:
        return CodedMessages(dict(wanted))
    down = goes(codec, "down")
    done: dict[int, tuple[ArrayRecord, Tensors]] = {}
    digests: list[str] = []
    losses: list[float] = []
    contents: dict[int, RecordDict] = {}
    held: dict[int, Tensors] = {}
    for partition, content in wanted.items():
        record = content[ARRAYS_RECORD]
        if id(record) not in done:
            tensors = to_tensors(record)
            if down is None or not plan.down:
                done[id(record)] = record, tensors
            else:
                encoded = encode(down, {name: tensors[name] for name in plan.down})
                sent = {ENCODED: encoded.data}
                done[id(record)] = to_record(sent), encoded.decoded
                digests.append(digest_arrays(sent))
                losses.append(encoded.loss)
        copy = RecordDict(dict(content.items()))
        copy[ARRAYS_RECORD], held[partition] = done[id(record)]
        contents[partition] = copy
    sha256 = sha256_text("".join(digests)) if digests else None
    return CodedMessages(contents, held, sha256, max(losses, default=None))


def decode_reply(
    message: Message, codec: Codec | None, shapes: Shapes, held: Tensors
) -> str | None:
    """Put a reply's tensors in the place of its encoded array.

    Args:
        message: the reply; its records are changed.
        codec: of the run, or None.
        shapes: what the round returns.
        held: what the client was sent, as it decoded it.

    Returns:
        The digest of the encoded array; None where replies are not encoded.

    Raises:
        FederationError: the reply is no encoded message of such tensors.
    """
    up = goes(codec, "up")
    if up is None:
        return None
    found = to_tensors(records_in(message.content, ArrayRecord)[ARRAYS_RECORD])
    if list(found) != [ENCODED]:
        raise FederationError(f"reply holds {sorted(found)[:3]}; expected one array {ENCODED!r}")
    tensors = decode(up, found[ENCODED], shapes, held)
    message.content[ARRAYS_RECORD] = to_record(tensors)
    return digest_arrays(found)
