"""Encoding and decoding: named float32 tensors to bytes and back, the same everywhere.

Every codec says the most that it may lose of a tensor (L2). What is encoded is decoded at once by
the sender, and refused where more is lost or another shape comes back. Products and sums are made
by one thread: another number of threads, as another process or machine has, sums in another order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from harness.codec.arithmetic import CODINGS, Tensor, square
from harness.codec.choice import Codec
from harness.codec.sizes import tensor_bytes
from harness.errors import FederationError

Tensors = Mapping[str, Tensor]

SLACK = 1e-5
"""Relative: what float32 sums may add to a codec's own bound."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A message that was encoded."""

    data: NDArray[np.uint8]
    """What travels, one-dimensional."""
    decoded: dict[str, Tensor]
    """What its receiver will have, the reference added."""
    left_out: dict[str, Tensor]
    """What of each tensor did not travel."""
    loss: float
    """|lost| / |encoded| over all tensors, L2; 0.0 where there was nothing to encode."""


def encode(
    codec: Codec, tensors: Tensors, reference: Tensors | None = None, carried: Tensors | None = None
) -> Encoded:
    """Encode named tensors, or their changes from a reference.

    Args:
        codec: how.
        tensors: float32, finite, in the order in which they are written.
        reference: what the receiver has of them; a tensor that is not there counts as zero.
        carried: what was left out before, to be sent as well.

    Raises:
        FederationError: the codec cannot hold a number, loses more than it says, or gives other
            shapes back.
    """
    parts: list[bytes] = []
    decoded: dict[str, Tensor] = {}
    left_out: dict[str, Tensor] = {}
    lost = whole = 0.0
    with threadpool_limits(1, user_api="blas"):
        for name, values in tensors.items():
            base = _base(reference, name, values.shape)
            change = np.asarray(values, np.float32) - base
            if carried and name in carried:
                change = change + carried[name]
            data = CODINGS[codec.name].encode(codec, change)
            back = _decode(codec, data, values.shape, name)
            left_out[name] = change - back
            _refuse_more_lost(codec, name, change, left_out[name])
            lost, whole = lost + square(left_out[name]), whole + square(change)
            parts.append(data)
            decoded[name] = base + back
    loss = (lost / whole) ** 0.5 if whole > 0 else 0.0
    return Encoded(np.frombuffer(b"".join(parts), np.uint8), decoded, left_out, loss)


def decode(
    codec: Codec,
    data: Tensor,
    shapes: Mapping[str, tuple[int, ...]],
    reference: Tensors | None = None,
) -> dict[str, Tensor]:
    """Return the tensors of an encoded message.

    Args:
        codec: as it was encoded.
        data: what came, uint8.
        shapes: of the tensors, in the order in which they were written.
        reference: what the changes are changes of; see `encode`.

    Raises:
        FederationError: the bytes are not those of such tensors.
    """
    wanted = sum(tensor_bytes(codec, tuple(shape)) for shape in shapes.values())
    if data.dtype != np.uint8 or data.shape != (wanted,):
        raise FederationError(
            f"an encoded message holds {data.dtype} of shape {data.shape}; expected {wanted} bytes"
            f" of {codec.name}"
        )
    whole, begin = data.tobytes(), 0
    tensors: dict[str, Tensor] = {}
    with threadpool_limits(1, user_api="blas"):
        for name, shape in shapes.items():
            size = tensor_bytes(codec, tuple(shape))
            back = _decode(codec, whole[begin : begin + size], tuple(shape), name)
            tensors[name] = _base(reference, name, tuple(shape)) + back
            begin += size
    return tensors


def _base(reference: Tensors | None, name: str, shape: tuple[int, ...]) -> Tensor:
    found = None if reference is None else reference.get(name)
    if found is None or tuple(found.shape) != tuple(shape):
        return np.zeros(shape, np.float32)
    return np.asarray(found, np.float32)


def _decode(codec: Codec, data: bytes, shape: tuple[int, ...], name: str) -> Tensor:
    if len(data) != tensor_bytes(codec, shape):
        raise FederationError(
            f"codec {codec.name} made {len(data)} bytes of {name};"
            f" {tensor_bytes(codec, shape)} were forecast"
        )
    back = CODINGS[codec.name].decode(codec, data, shape)
    if back.shape != shape or back.dtype != np.float32:
        raise FederationError(
            f"codec {codec.name} gives {name} back as {back.dtype} of shape {back.shape}; expected"
            f" float32 of shape {shape}"
        )
    if not np.isfinite(back).all():
        raise FederationError(
            f"codec {codec.name} cannot hold the numbers of {name}; use bfloat16, or none"
        )
    return back


def _refuse_more_lost(codec: Codec, name: str, change: Tensor, left_out: Tensor) -> None:
    lost, most = square(left_out) ** 0.5, CODINGS[codec.name].most_lost(codec, change)
    if not lost <= most * (1 + SLACK) + 1e-30:
        raise FederationError(
            f"codec {codec.name} lost {lost:.3g} of {name}, whose length is"
            f" {square(change) ** 0.5:.3g}; at most {most:.3g} by its own word"
        )
