"""The arithmetic of each codec on one tensor: its numbers become bytes, and bytes numbers again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.codec.choice import Codec
from harness.codec.sizes import is_cut, kept_numbers
from harness.errors import FederationError

Tensor = NDArray[Any]

HALF_STEP = 2.0**-25
"""Half of the smallest number of float16."""


@dataclass(frozen=True, slots=True)
class Coding:
    """One codec's arithmetic on one tensor."""

    encode: Callable[[Codec, Tensor], bytes]
    """(codec, float32 tensor) -> as many bytes as `tensor_bytes` says."""
    decode: Callable[[Codec, bytes, tuple[int, ...]], Tensor]
    """(codec, bytes, shape) -> float32 tensor of that shape."""
    most_lost: Callable[[Codec, Tensor], float]
    """(codec, tensor) -> largest length (L2) of what may be lost of it."""


def square(values: Tensor) -> float:
    """Return the sum of the squares of all numbers, in float64."""
    flat = np.asarray(values, np.float64).reshape(-1)
    return float(np.dot(flat, flat))


def _length(values: Tensor) -> float:
    return float(square(values) ** 0.5)


def _encode_float16(codec: Codec, values: Tensor) -> bytes:
    with np.errstate(over="ignore"):  # an infinity is refused when it is decoded
        return bytes(values.astype("<f2").tobytes())


def _decode_float16(codec: Codec, data: bytes, shape: tuple[int, ...]) -> Tensor:
    return np.asarray(np.frombuffer(data, "<f2").astype(np.float32).reshape(shape))


def _encode_bfloat16(codec: Codec, values: Tensor) -> bytes:
    bits = np.ascontiguousarray(values, "<f4").view("<u4")
    # To the nearest, of two as near to the even one: the upper half of a float32.
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return bytes((rounded >> np.uint32(16)).astype("<u2").tobytes())


def _decode_bfloat16(codec: Codec, data: bytes, shape: tuple[int, ...]) -> Tensor:
    bits = np.frombuffer(data, "<u2").astype("<u4") << np.uint32(16)
    return np.asarray(bits.view("<f4").astype(np.float32).reshape(shape))


def _blocks(codec: Codec, values: Tensor) -> Tensor:
    """Return the numbers as rows of one block each, the last filled with zeros."""
    assert codec.block is not None
    flat = np.asarray(values, np.float32).reshape(-1)
    return np.pad(flat, (0, -flat.size % codec.block)).reshape(-1, codec.block)


def _encode_int8(codec: Codec, values: Tensor) -> bytes:
    rows = _blocks(codec, values)
    scales = (np.abs(rows).max(axis=1) / np.float32(127)).astype("<f4")
    steps = np.where(scales > 0, scales, 1)[:, None]
    whole = np.clip(np.rint(rows / steps), -127, 127).astype(np.int8)
    return bytes(scales.tobytes() + whole.reshape(-1)[: values.size].tobytes())


def _decode_int8(codec: Codec, data: bytes, shape: tuple[int, ...]) -> Tensor:
    assert codec.block is not None
    count = prod(shape)
    scales = np.frombuffer(data, "<f4", -(-count // codec.block))
    whole = np.frombuffer(data, np.int8, count, scales.nbytes).astype(np.float32)
    return np.asarray(whole * np.repeat(scales, codec.block)[:count], np.float32).reshape(shape)


def _most_int8(codec: Codec, values: Tensor) -> float:
    """Half a step for every number of a block."""
    assert codec.block is not None
    largest = np.abs(_blocks(codec, values)).max(axis=1).astype(np.float64)
    counts = np.full(len(largest), codec.block)
    counts[-1] -= -values.size % codec.block
    return float(np.sqrt(np.sum(counts * (largest / 254) ** 2)))


def _encode_top_k(codec: Codec, values: Tensor) -> bytes:
    flat = np.asarray(values, np.float32).reshape(-1)
    # Stable: of equal numbers the first ones, on every machine.
    largest = np.argsort(-np.abs(flat), kind="stable")[: kept_numbers(codec, flat.size)]
    places = np.sort(largest)
    return bytes(places.astype("<u4").tobytes() + flat[places].astype("<f4").tobytes())


def _decode_top_k(codec: Codec, data: bytes, shape: tuple[int, ...]) -> Tensor:
    count = prod(shape)
    kept = kept_numbers(codec, count)
    places = np.frombuffer(data, "<u4", kept)
    if int(places.max()) >= count or (np.diff(places.astype(np.int64)) <= 0).any():
        raise FederationError("an encoded message names places that its tensor does not have")
    flat = np.zeros(count, np.float32)
    flat[places] = np.frombuffer(data, "<f4", kept, places.nbytes)
    return flat.reshape(shape)


def _encode_low_rank(codec: Codec, values: Tensor) -> bytes:
    """U S and V' of the largest singular values, the largest entry of each row of V' positive."""
    if not is_cut(codec, values.shape):
        return bytes(np.ascontiguousarray(values, "<f4").tobytes())
    u, s, vt = np.linalg.svd(np.asarray(values, np.float64), full_matrices=False)
    down = vt[: codec.rank]
    sign = np.sign(down[np.arange(len(down)), np.abs(down).argmax(axis=1)])
    sign[sign == 0] = 1.0
    up = u[:, : codec.rank] * (s[: codec.rank] * sign)
    return bytes(up.astype("<f4").tobytes() + (down * sign[:, None]).astype("<f4").tobytes())


def _decode_low_rank(codec: Codec, data: bytes, shape: tuple[int, ...]) -> Tensor:
    flat = np.frombuffer(data, "<f4").astype(np.float32)
    if not is_cut(codec, shape):
        return flat.reshape(shape)
    assert codec.rank is not None
    cut = shape[0] * codec.rank
    return np.asarray(flat[:cut].reshape(shape[0], -1) @ flat[cut:].reshape(-1, shape[1]))


def _most_low_rank(codec: Codec, values: Tensor) -> float:
    """The singular values left out are the smallest: their share of the squares is no more."""
    length = _length(values)
    if not is_cut(codec, values.shape):
        return 0.0
    assert codec.rank is not None
    return float(length * ((1 - codec.rank / min(values.shape)) ** 0.5 + 1e-6))


CODINGS: dict[str, Coding] = {
    "float16": Coding(
        _encode_float16,
        _decode_float16,
        lambda codec, x: 2.0**-11 * _length(x) + HALF_STEP * x.size**0.5,
    ),
    "bfloat16": Coding(
        _encode_bfloat16, _decode_bfloat16, lambda codec, x: 2.0**-8 * _length(x) + 1e-38
    ),
    "int8": Coding(_encode_int8, _decode_int8, _most_int8),
    "top-k": Coding(
        _encode_top_k,
        _decode_top_k,
        lambda codec, x: _length(x) * (1 - kept_numbers(codec, x.size) / x.size) ** 0.5,
    ),
    "low-rank": Coding(_encode_low_rank, _decode_low_rank, _most_low_rank),
}
"""Name of a codec -> its arithmetic."""
