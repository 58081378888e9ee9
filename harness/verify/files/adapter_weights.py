"""The weights of an adapter: digest of the file, shapes, and digest of the tensors, in one pass.

A file of weights may have 2 GiB, which nobody wants in memory. It is read once, from its first byte
to its last, and everything that rules ask about it is worked out on the way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from harness.document.safetensors_header import Header, header_of
from harness.errors import RecordError

CHUNK_BYTES = 2**20
"""How much is held at a time."""


@dataclass(frozen=True, slots=True)
class AdapterWeights:
    """What a file of weights is; or why it is none, in `fault`."""

    shapes: dict[str, tuple[int, ...]]
    dtypes: frozenset[str]
    """safetensors' names."""
    tensors_sha256: str | None
    """Digest of the float32 tensors in the order of their names, as the chain of rounds carries it.
    None where the file holds others, or holds them in another order: safetensors writes tensors of
    one type in the order of their names, and in one pass there is no going back.
    Source: `harness.federation.wire.tensors.digest_arrays`; a test holds the two together."""
    fault: str | None = None
    finite: bool = True
    """Whether no float32 is a NaN, an infinity or beyond 2^127, which no training leaves."""


class _Digesting:
    """A file whose bytes are digested as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.count = 0

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, fewer than `size` only at the end."""
        data = self.file.read(size)
        self.digest.update(data)
        self.count += len(data)
        return data


def read_adapter_weights(file: BinaryIO, size: int, name: str) -> tuple[str, AdapterWeights]:
    """Read a file of weights once.

    Args:
        file: at its first byte.
        size: bytes of the file when it was opened.
        name: how a fault calls it.

    Returns:
        Hex sha256 of the file, and what it holds.

    Raises:
        RecordError: it became shorter or longer while it was read.
    """
    stream = _Digesting(file)
    try:
        header = header_of(stream, size, name)
    except RecordError as error:
        found = AdapterWeights({}, frozenset(), None, str(error))
    else:
        dtypes = frozenset(item.dtype for item in header.tensors.values())
        tensors, finite = _tensors_digest(stream, header)
        found = AdapterWeights(header.shapes, dtypes, tensors, finite=finite)
    while stream.read(CHUNK_BYTES):
        pass
    if stream.count != size:
        raise RecordError(
            f"{name}: {stream.count:,} bytes were read, {size:,} expected; write it once"
        )
    return stream.digest.hexdigest(), found


def _tensors_digest(stream: _Digesting, header: Header) -> tuple[str | None, bool]:
    """Return the digest of the tensors, and whether their values are finite."""
    in_order = sorted(header.tensors.items(), key=lambda item: (item[1].begin, item[1].end))
    if {item.dtype for item in header.tensors.values()} - {"F32"}:
        return None, True
    if [name for name, _ in in_order] != sorted(header.tensors):
        return None, True
    digest, finite = hashlib.sha256(), True
    for name, item in in_order:
        digest.update(f"{name} <f4 {'x'.join(map(str, item.shape))}\n".encode())
        left = item.end - item.begin
        while left and (data := stream.read(min(left, CHUNK_BYTES))):
            digest.update(data)
            left -= len(data)
            finite = finite and _all_finite(data)
    return digest.hexdigest(), finite


def _all_finite(data: bytes) -> bool:
    """Whether no little-endian float32 is a NaN, an infinity or 2^127 and more.

    The last byte of each holds the sign and all of its exponent but one bit: 0x7f and 0xff are
    exponents of 254 and 255.
    """
    last = data[3::4]
    return b"\x7f" not in last and b"\xff" not in last
