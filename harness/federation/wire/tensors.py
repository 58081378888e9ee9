"""Named tensors outside of any framework: digest, conversion and checks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from flwr.app import ArrayRecord

Shape = tuple[int, ...]


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
    from harness.federation.wire.numpy_arrays import view

    return {name: view(array) for name, array in record.items()}


def to_record(arrays: Mapping[str, NDArray[np.generic]]) -> ArrayRecord:
    """Return a Flower record of named arrays, in their order."""
    from flwr.app import ArrayRecord

    from harness.federation.wire.numpy_arrays import quick_array

    record = ArrayRecord()
    for name, array in arrays.items():
        record[name] = quick_array(np.asarray(array))  # its constructor would make plain arrays
    return record


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
