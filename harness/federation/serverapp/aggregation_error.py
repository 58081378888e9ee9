"""The aggregation error: how far averaging low-rank factors is from averaging their products."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from harness.kernel.allowance import cores
from harness.processes.numeric_threads import one_thread

ROUNDING = 1e-6
"""An aggregation error below this is rounding of float64 products, and is reported as 0."""

STRIP_ROWS = 2048
"""Rows of factors that are multiplied at a time: 2.5 MiB of five clients at rank 32."""


def aggregation_error(
    updates: Sequence[Mapping[str, NDArray[np.floating]]], weights: Sequence[int]
) -> float | None:
    """Return how far averaging low-rank factors is from averaging their products.

    Over all layers together, ||mean(B A) - mean(B) mean(A)|| / ||mean(B A)|| in the Frobenius norm,
    with `weights` as the weights of the means: 0 when all clients agree on A or on B.

    Two clients of equal weight, whose factors are one number each: B = 2, A = 1 and B = 0, A = 3.
    The mean of the products is 1, the product of the means 1 * 2 = 2: the error is |1 - 2| / 1 = 1.

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
    with one_thread():
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
    with ThreadPoolExecutor(cores()) as pool:
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

    ||P Q||^2 = sum((P'P) * (Q Q')), so no (out, in) product is formed: for a layer of 8,192 x 2,048
    and five clients of rank 32, two matrices of 160 x 160 stand for one of 128 MiB. With P all
    weighted B side by side and Q all A stacked, mean(B) and mean(A) are sums over blocks of P and
    Q, and whatever is multiplied with them is a sum over blocks of P'P and Q Q'.

    Args:
        ups: B of each client, (out, r).
        downs: A of each client, (r, in).
        share: weight of each client; they sum to 1.
    """
    clients, rank = len(ups), downs[0].shape[0]
    grams = (_gram(_side_by_side(ups, share)), _gram(_across(downs)))
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


def _gram(strips: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return M'M of a matrix that comes as strips of its rows."""
    return np.asarray(sum(strip.T @ strip for strip in strips))


def _side_by_side(
    blocks: Sequence[NDArray[np.floating]], factors: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Yield strips of the blocks, each (n, r), side by side and times their factors.

    A strip is made float64 where the one before lay, which the processor's cache still holds.
    """
    rows, rank = blocks[0].shape
    strip = np.empty((STRIP_ROWS, len(blocks), rank))
    for begin in range(0, rows, STRIP_ROWS):
        part = strip[: rows - begin]
        for place, (block, factor) in enumerate(zip(blocks, factors, strict=True)):
            np.multiply(block[begin : begin + STRIP_ROWS], factor, out=part[:, place])
        yield part.reshape(len(part), -1)


def _across(blocks: Sequence[NDArray[np.floating]]) -> Iterator[NDArray[np.float64]]:
    """Yield, transposed, strips of the columns of the blocks, each (r, n), one below the other."""
    rank, columns = blocks[0].shape
    strip = np.empty((len(blocks), rank, STRIP_ROWS))
    for begin in range(0, columns, STRIP_ROWS):
        width = min(STRIP_ROWS, columns - begin)
        for place, block in enumerate(blocks):
            strip[place, :, :width] = block[:, begin : begin + width]
        yield strip.reshape(-1, STRIP_ROWS)[:, :width].T
