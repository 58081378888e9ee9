"""Records whose arrays lie in Ray's object store: by memory within a node, by value between nodes.

A round's message of 92 MiB goes to five clients. It is put into the store once; a client of the
same node maps it there, and to another node Ray carries it once, whose clients map that. Pickled,
the record is a reference to what lies there, and who reads it gets a plain record.

It stays as long as the record does: whoever has mapped it keeps the memory, and when the process
that put it there is gone, those who come later are told so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flwr.app import ArrayRecord

from harness.federation.wire.numpy_arrays import QuickArray

Form = tuple[str, str, tuple[int, ...]]
"""Name, dtype and shape of an array."""


class StoredRecord(ArrayRecord):  # type: ignore[misc]  # Flower is untyped to mypy here
    """A record whose pickle is a reference into Ray's object store."""

    def __init__(self, record: ArrayRecord) -> None:
        """Put the bytes of `record`'s arrays into the store, and hold the same arrays."""
        import ray

        pieces = [np.frombuffer(array.data, np.uint8) for array in record.values()]
        forms = [(name, item.dtype, tuple(item.shape)) for name, item in record.items()]
        # Past Flower's own `__setattr__`, by way of which a record takes arrays only.
        self.__dict__["stored"] = (ray.put(pieces), forms)
        super().__init__()
        for name, array in record.items():
            self[name] = array

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the reference."""
        return fetched, self.__dict__["stored"]


def fetched(reference: Any, forms: list[Form]) -> ArrayRecord:
    """Return the record that was put into the store, read-only, in this node's memory.

    Raises:
        ray.exceptions.RayError: the process that put it there is gone, or no node has it.
    """
    import ray

    record = ArrayRecord()
    for (name, dtype, shape), piece in zip(forms, ray.get(reference), strict=True):
        record[name] = QuickArray(dtype, shape, memoryview(piece))
    return record
