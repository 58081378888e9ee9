"""Bytes of an encoded message, and the most that it may have lost, from shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, prod, sqrt

from harness.codec.choice import Codec, Way

Shapes = Mapping[str, tuple[int, ...]]

ENCODED = "encoded"
"""Name of the one array of an encoded message, uint8, which holds all tensors one after another."""
HEADER_BYTES = 128
"""Of the .npy file that Flower makes of that array, whatever its length."""
FLOAT_BYTES = 4


def kept_numbers(codec: Codec, count: int) -> int:
    """Return how many of a tensor's `count` numbers top-k keeps: one at least."""
    assert codec.share is not None
    return max(1, ceil(codec.share * count - 1e-9))


def is_cut(codec: Codec, shape: tuple[int, ...]) -> bool:
    """Return whether low-rank cuts a tensor: a matrix whose two factors are smaller than it."""
    assert codec.rank is not None
    return len(shape) == 2 and codec.rank * sum(shape) < prod(shape)


def tensor_bytes(codec: Codec, shape: tuple[int, ...]) -> int:
    """Return the bytes of one encoded tensor."""
    count = prod(shape)
    if codec.name in ("float16", "bfloat16"):
        return 2 * count
    if codec.name == "int8":
        assert codec.block is not None
        return count + FLOAT_BYTES * -(-count // codec.block)
    if codec.name == "top-k":
        return 2 * FLOAT_BYTES * kept_numbers(codec, count)
    if not is_cut(codec, shape):
        return FLOAT_BYTES * count
    assert codec.rank is not None
    return FLOAT_BYTES * codec.rank * sum(shape)


def encoded_bytes(codec: Codec, shapes: Shapes, names: bool = True) -> int:
    """Return the bytes of an encoded message, as Flower's `ArrayRecord.count_bytes` counts them.

    Args:
        codec: of the message.
        shapes: of its tensors; without any, nothing travels.
        names: count the array's name too, as the Message API does.
    """
    if not shapes:
        return 0
    payload = sum(tensor_bytes(codec, tuple(shape)) for shape in shapes.values())
    return HEADER_BYTES + payload + (len(ENCODED) if names else 0)


def goes(codec: Codec | None, way: Way) -> Codec | None:
    """Return the codec if it encodes messages of one direction, else None."""
    return codec if codec is not None and codec.goes(way) else None


def most_lost(codec: Codec, shapes: Shapes) -> float:
    """Return the largest part of a message that its codec may lose: |lost| / |message|, L2.

    A half-precision number below 6e-5 is rounded to a multiple of 6e-8, so no part can be said of
    float16; each message is held to that as it is encoded.
    """
    if codec.name == "float16":
        return 1.0
    if codec.name == "bfloat16":
        return 2.0**-8
    if codec.name == "int8":
        # One number of a block as large as its scale says, all others half a step away.
        assert codec.block is not None
        return sqrt(codec.block) / 254
    if codec.name == "top-k":
        parts = [(kept_numbers(codec, prod(shape)), prod(shape)) for shape in shapes.values()]
        return sqrt(max((1 - kept / count for kept, count in parts), default=0.0))
    assert codec.rank is not None
    cut = [shape for shape in shapes.values() if is_cut(codec, tuple(shape))]
    return sqrt(max((1 - codec.rank / min(shape) for shape in cut), default=0.0))
