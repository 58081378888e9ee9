"""Flower arrays that are copied as seldom as can be: a message of the reference entry is 92 MiB.

An `Array` of Flower holds the bytes of a `.npy` file. Ours holds the same bytes and counts the
same; it is made with one copy, read with none, and given to Ray's object store beside the pickle.
"""

from __future__ import annotations

from io import BytesIO
from pickle import PickleBuffer
from typing import Any

import numpy as np
from flwr.app import Array
from numpy.typing import NDArray

NUMPY = "numpy.ndarray"
"""Flower's name for a `.npy` file, the only kind of array there is. Source: flwr `SType.NUMPY`."""

LONGEST_HEADER_BYTES = 4096
"""Of a `.npy` file of numbers, whose header is 128 bytes long but for absurd shapes."""


class QuickArray(Array):  # type: ignore[misc]  # Flower is untyped to mypy here
    """A Flower array with fewer copies."""

    # A SuperLink reads what kind of object it is sent by this name, and refuses kinds of ours.
    __qualname__ = "Array"

    def __init__(self, dtype: str, shape: tuple[int, ...], data: bytes | memoryview) -> None:
        """Hold `data`, the bytes of a `.npy` file, where they lie."""
        # Flower's own would refuse a view of memory; it is read everywhere as bytes are.
        self.dtype, self.shape, self.stype, self.data = dtype, shape, NUMPY, data

    def numpy(self) -> NDArray[Any]:
        """Return the values in memory of their own, which a strategy may write to."""
        return view(self).copy()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle the bytes as a buffer, which Ray moves without copying it into the pickle."""
        data = PickleBuffer(self.data) if int(protocol) >= 5 else bytes(self.data)
        return _unpickled, (self.dtype, tuple(self.shape), data)


def _unpickled(dtype: str, shape: tuple[int, ...], data: Any) -> QuickArray:
    # Bytes of our own: the object store's are few and are wanted back.
    return QuickArray(dtype, shape, bytes(data))


def quick_array(values: NDArray[np.generic]) -> QuickArray:
    """Return an array that holds what `numpy.save` would write of these values in C order."""
    return QuickArray(str(values.dtype), tuple(values.shape), b"".join(npy_file(values)))


def npy_file(values: NDArray[np.generic]) -> tuple[bytes, memoryview]:
    """Return what `numpy.save` would write of these values in C order: the header and the rest.

    The rest is the values' own memory where they are in C order already.
    """
    ordered = np.ascontiguousarray(values).reshape(values.shape)
    head = BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(ordered))
    return head.getvalue(), ordered.reshape(-1).view(np.uint8).data


def view(array: Array) -> NDArray[Any]:
    """Return the values of any Flower array, read-only, in the memory of its bytes.

    Raises:
        ValueError: it does not hold a plain `.npy` file of the shape that it claims.
    """
    if array.stype != NUMPY:
        raise ValueError(f"an array of kind {array.stype!r}; expected {NUMPY!r}")
    file = BytesIO(bytes(memoryview(array.data)[:LONGEST_HEADER_BYTES]))
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ValueError(f"a .npy file of version {version}; expected 1.0 or 2.0")
    shape, fortran, dtype = read[version](file)
    if dtype.hasobject:
        raise ValueError("an array of Python objects; expected numbers")
    count = int(np.prod(shape, dtype=np.int64))
    values = np.frombuffer(array.data, dtype, count, file.tell())
    return values.reshape(shape, order="F" if fortran else "C")
