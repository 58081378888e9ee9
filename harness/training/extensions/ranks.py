"""A client's rank: the first rows of A and columns of B that it holds and trains.

A message always has the tensors of the whole adapter; beyond a client's rank they are zero. Zero
stays zero: where A's rows and B's columns are zero, the gradient of each is a product with the
other. The same shapes for all are what lets any strategy average them, and what FlexLoRA's product
is made of; the bytes are those of the whole adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.errors import PluginError
from harness.planning.extension_checks import FACTORS
from harness.training.adapter import Arrays

A_SUFFIX, B_SUFFIX = FACTORS


def beyond(name: str, rank: int) -> tuple[slice, ...] | None:
    """Return the part of a tensor that is beyond a rank, or None of one that is no factor."""
    if name.endswith(A_SUFFIX):
        return (slice(rank, None),)
    return (slice(None), slice(rank, None)) if name.endswith(B_SUFFIX) else None


def cut(arrays: Mapping[str, Any], rank: int) -> Arrays:
    """Return copies of an adapter's arrays with zeros beyond `rank`."""
    found: Arrays = {}
    for name, values in arrays.items():
        part = beyond(name, rank)
        found[name] = np.array(values)
        if part is not None:
            found[name][part] = 0
    return found


def refuse_more(arrays: Mapping[str, Any], rank: int, where: str) -> None:
    """Check that training left zeros beyond a client's rank.

    Args:
        arrays: the adapter after training.
        rank: the client's.
        where: partition and round, for messages.

    Raises:
        PluginError: something is there; only an optimizer or a loop of a plugin's own can do that.
    """
    for name, values in arrays.items():
        part = beyond(name, rank)
        if part is not None and values[part].any():
            raise PluginError(
                f"{where}: {name} is not zero beyond the client's rank {rank} after training; the"
                " optimizer or the loop of the recipe's extensions moves what has no gradient"
            )
