"""Named tensors outside of any framework: digest, conversion, checks and the aggregation error."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from harness.machine import this_machine

if TYPE_CHECKING:
    from flwr.app import ArrayRecord

Tensors = dict[str, NDArray[np.float32]]
"""Tensor name as in peft's state dict -> float32 array, C order."""


Shape = tuple[int, ...]

ROUNDING = 1e-6
"""An aggregation error below this is rounding of float64 products, and is reported as 0."""


def digest_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """Return the hex sha256 over named tensors, whatever their order in the mapping.

    Each tensor, sorted by name, contributes the line `name dtype shape` (shape as `2x3`, dtype as
    numpy's little-endian string such as `<f4`) and its bytes in C order.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        little = array.dtype.newbyteorder("<")
        shape = "x".join(str(size) for size in array.shape)
        digest.update(f"{name} {little.str} {shape}\n".encode())
        digest.update(np.ascontiguousarray(array, dtype=little).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def to_tensors(record: ArrayRecord) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of a Flower record, in its order; read-only, in the record's memory."""
    from harness.federation.arrays import view

    return {name: view(array) for name, array in record.items()}


def to_record(arrays: Mapping[str, NDArray[np.generic]]) -> ArrayRecord:
    """Return a Flower record of named arrays, in their order."""
    from flwr.app import ArrayRecord

    from harness.federation.arrays import quick_array

    return ArrayRecord({name: quick_array(np.asarray(array)) for name, array in arrays.items()})


def shapes_of(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, Shape]:
    """Return the shape of each tensor, in order."""
    return {name: array.shape for name, array in arrays.items()}


def difference(
    found: Mapping[str, NDArray[np.generic]], expected: Mapping[str, Shape]
) -> str | None:
    """Say how `found` fails to be the finite float32 tensors of `expected`, in their order.

    Returns:
        The first fault (a missing, extra or misplaced tensor, another shape or dtype, NaN or an
        infinity), or None.
    """
    for name, shape in expected.items():
        have = found.get(name)
        if have is None:
            return f"tensor {name} is missing; {len(found)} of {len(expected)} tensors came"
        if have.shape != tuple(shape):
            return f"tensor {name} has shape {have.shape}; expected {tuple(shape)}"
        if have.dtype != np.float32:
            return f"tensor {name} has dtype {have.dtype}; expected float32"
        if not np.isfinite(have).all():
            return f"tensor {name} holds {int((~np.isfinite(have)).sum())} NaN or infinite values"
    extra = [name for name in found if name not in expected]
    if extra:
        return f"tensor {extra[0]} was not asked for; {len(extra)} such"
    if list(found) != list(expected):
        return "tensors came in another order than expected"
    return None


def aggregation_error(
    updates: Sequence[Mapping[str, NDArray[np.floating]]], weights: Sequence[int]
) -> float | None:
    """Return how far averaging low-rank factors is from averaging their products.

    Over all layers together, ||mean(B A) - mean(B) mean(A)|| / ||mean(B A)|| in the Frobenius norm,
    with `weights` as the weights of the means: 0 when all clients agree on A or on B.

    Args:
        updates: one mapping per client; factors are the pairs `*.lora_A.weight` (r, in) and
            `*.lora_B.weight` (out, r).
        weights: examples of each client.

    Returns:
        The ratio rounded to six significant digits (sums in another order must not show), 0.0 when
        the products are all zero, None when there are no such factors.
    """
    suffix = ".lora_A.weight"
    layers = [name[: -len(suffix)] for name in updates[0] if name.endswith(suffix)]
    layers = [name for name in layers if f"{name}.lora_B.weight" in updates[0]]
    if not layers:
        return None
    # One thread a product: another number of threads would sum in another order. The layers are
    # shared out instead, and added up in their own order.
    with threadpool_limits(1):
        return _aggregation_error(updates, weights, layers)


def _aggregation_error(
    updates: Sequence[Mapping[str, NDArray[np.floating]]],
    weights: Sequence[int],
    layers: Sequence[str],
) -> float:
    share = np.asarray(weights, dtype=np.float64) / sum(weights)

    def of_layer(layer: str) -> tuple[float, float]:
        ups = [item[f"{layer}.lora_B.weight"] for item in updates]
        downs = [item[f"{layer}.lora_A.weight"] for item in updates]
        return _layer_norms_squared(ups, downs, share)

    residual = total = 0.0
    with ThreadPoolExecutor(this_machine().cores) as pool:
        for product, left_out in pool.map(of_layer, layers):
            total += product
            residual += left_out
    if total <= 0.0:
        return 0.0
    ratio = (max(residual, 0.0) / total) ** 0.5
    return 0.0 if ratio < ROUNDING else float(f"{ratio:.6g}")


def _layer_norms_squared(
    ups: Sequence[NDArray[np.floating]],
    downs: Sequence[NDArray[np.floating]],
    share: NDArray[np.float64],
) -> tuple[float, float]:
    """Return ||mean(B A)||^2 and ||mean(B A) - mean(B) mean(A)||^2 of one layer.

    ||P Q||^2 = sum((P'P) * (Q Q')), so no (out, in) product is formed. With P all weighted B side
    by side and Q all A stacked, mean(B) and mean(A) are sums over blocks of P and Q, and whatever
    is multiplied with them is a sum over blocks of P'P and Q Q'.

    Args:
        ups: B of each client, (out, r).
        downs: A of each client, (r, in).
        share: weight of each client; they sum to 1.
    """
    clients, rank = len(ups), downs[0].shape[0]
    left = np.concatenate([w * b.astype(np.float64) for w, b in zip(share, ups, strict=True)], 1)
    right = np.concatenate(downs, 0).astype(np.float64)
    grams = (left.T @ left, right @ right.T)
    blocks = (np.ones(clients), share)
    with_mean = [
        np.einsum("xcr,c->xr", gram.reshape(-1, clients, rank), weight)
        for gram, weight in zip(grams, blocks, strict=True)
    ]
    of_means = [
        np.einsum("cqr,c->qr", half.reshape(clients, rank, rank), weight)
        for half, weight in zip(with_mean, blocks, strict=True)
    ]
    product, cross, means = (
        float(np.sum(first * second)) for first, second in (grams, with_mean, of_means)
    )
    return product, product - 2 * cross + means
