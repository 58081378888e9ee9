"""Arrays moved at random, to see what follows them: a reply, an aggregate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.spec import derived_seed

Arrays = dict[str, NDArray[Any]]
"""Tensor name -> float32 values."""

SMALLEST_MOVE = 1e-3
"""By which a tensor of zeros that did not change is moved."""


def moved(arrays: Mapping[str, Any], since: Mapping[str, Any], *seed: object) -> Arrays:
    """Return the arrays with every value a step up or down, at random.

    A step is as long as the root mean square of what training changed in its tensor, so that a
    median passes other clients' values and a clipped update points elsewhere. A tensor that did not
    change is moved by half of its own size.

    Args:
        arrays: what is moved, float32.
        since: the values before training; a name that is not there counts as zeros.
        seed: parts of the seed that the draw of each tensor comes from.
    """
    return {
        name: _stepped(values, since.get(name), derived_seed(*seed, name))
        for name, values in arrays.items()
    }


def _stepped(values: NDArray[Any], before: NDArray[Any] | None, seed: int) -> NDArray[Any]:
    same = before is not None and before.shape == values.shape
    change = values - before if same else values
    step = root_mean_square(change) or root_mean_square(values) / 2 or SMALLEST_MOVE
    draw = np.random.Generator(np.random.PCG64(seed))
    bits = np.frombuffer(draw.bytes(-(-values.size // 8)), np.uint8)
    up = np.unpackbits(bits, count=values.size).astype(np.float32)
    return np.asarray(values + (up * (2 * step) - step).reshape(values.shape), np.float32)


def root_mean_square(values: NDArray[Any]) -> float:
    """Return the root of the mean of the squares; 0.0 of no values."""
    flat = values.reshape(-1)
    return float(np.sqrt(np.dot(flat, flat) / flat.size)) if flat.size else 0.0


def change(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the length (L2) of the difference of two sets of arrays of the same names."""
    total = 0.0
    for name, values in one.items():
        apart = (values - other[name]).reshape(-1)
        total += float(np.dot(apart, apart))
    return float(total**0.5)


def significant(value: float, digits: int = 3) -> float:
    """Return a measurement as a record keeps it: rounded, so that its last digits do not count."""
    return float(f"{value:.{digits}g}")
