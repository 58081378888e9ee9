"""Records whose arrays lie in memory that other processes of this machine map instead of copying.

A simulation's client processes run beside the server, and a message of the reference entry is
92 MiB. A lent record is pickled as the place of its memory: five clients read what was written
once, and a reply is read where its client wrote it. The bytes are the same `.npy` files.

The life of a memory. The server lends a round's 92 MiB: `memfd_create` gives file 31, `lend` writes
it, and the record maps it. Five clients get (process 100, file 31, its name) and open
`/proc/100/fd/31`: each maps the same pages and closes the file. The next round's record takes the
place of this one, `__del__` closes file 31; the pages live until the last client has dropped its
arrays, and then the kernel takes them, whoever was killed meanwhile. A mapping is never closed by
hand: numpy arrays are views of it, and each array keeps it for as long as it is used.

Not `multiprocessing.shared_memory`: its memory has a name in /dev/shm that outlives a SIGKILL, and
Python's resource tracker unlinks what a client has only attached to when that client ends.
"""

from __future__ import annotations

import mmap
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from flwr.app import ArrayRecord
from numpy.typing import NDArray

from harness.federation.wire.names import STORE, SWITCH
from harness.federation.wire.numpy_arrays import QuickArray, npy_file
from harness.federation.wire.stored import StoredRecord
from harness.federation.wire.tensors import to_record, to_tensors

LentArray = tuple[str, str, tuple[int, ...], int, int]
"""Name, dtype and shape of an array, and where its `.npy` file begins and ends."""


def lending() -> bool:
    """Return whether records may be lent: on one machine, and where memory can have a name."""
    return os.environ.get(SWITCH) == "1" and hasattr(os, "memfd_create")


def outgoing(arrays: Mapping[str, NDArray[np.generic]]) -> ArrayRecord:
    """Return a record of named arrays to be sent: lent where that can be, else by value.

    A lent record must be kept until its receiver has read it.
    """
    return lend(arrays) if lending() else to_record(arrays)


def outgoing_record(record: ArrayRecord) -> ArrayRecord:
    """Return a record to be sent, maybe to many, in the place of `record`; see `outgoing`."""
    if os.environ.get(SWITCH) == STORE:
        return StoredRecord(record)
    return lend(to_tensors(record)) if lending() else record


@dataclass(frozen=True, slots=True)
class MemoryPlace:
    """The place where another process finds a memory."""

    process: int
    """Number of the process that opened it."""
    handle: int
    """The file's number there."""
    name: str
    """A name that tells it from whatever the process has opened since under the same number."""


class LentRecord(ArrayRecord):  # type: ignore[misc]  # Flower is untyped to mypy here
    """A record in memory of its own, which is given back with the record."""

    def __init__(self, place: MemoryPlace, entries: list[LentArray]) -> None:
        """Map what was written at `place`, a memory of this process."""
        # Past Flower's own `__setattr__`, by way of which a record takes arrays only.
        self.__dict__["lent"] = (place, entries)
        super().__init__()
        _fill(self, place.handle, entries)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the place; whoever reads it gets a plain record."""
        return borrow, self.__dict__["lent"]

    def __del__(self) -> None:
        """Give the memory back; processes that have mapped it keep it."""
        os.close(self.__dict__["lent"][0].handle)


def lend(arrays: Mapping[str, NDArray[np.generic]]) -> LentRecord:
    """Write named arrays into new memory, in their order.

    Raises:
        OSError: no memory is left.
    """
    name = f"harness-{secrets.token_hex(8)}"
    handle = os.memfd_create(name)
    with open(handle, "wb", closefd=False) as memory:
        entries = _written(arrays, memory)
    return LentRecord(MemoryPlace(os.getpid(), handle, name), entries)


def on_disk(arrays: Mapping[str, NDArray[np.generic]], folder: Path) -> ArrayRecord:
    """Return a record of named arrays that lie in a file without a name, in their order.

    What is read of it is the system's to give back when memory is short. The file ends with the
    last array.

    Args:
        arrays: by tensor name.
        folder: where the file is made.

    Raises:
        OSError: the disk is full.
    """
    record = ArrayRecord()
    with tempfile.TemporaryFile(dir=folder) as file:
        entries = _written(arrays, file)
        file.flush()
        _fill(record, file.fileno(), entries)
    return record


def _written(arrays: Mapping[str, NDArray[np.generic]], file: IO[bytes]) -> list[LentArray]:
    """Write named arrays into a file; return where each lies."""
    entries: list[LentArray] = []
    for key, array in arrays.items():
        begin = file.tell()
        file.writelines(npy_file(array))
        entries.append((key, str(array.dtype), array.shape, begin, file.tell()))
    return entries


def borrow(place: MemoryPlace, entries: list[LentArray]) -> ArrayRecord:
    """Return the record that another process lent, read-only, without copying it.

    Raises:
        FileNotFoundError: the process has ended or has taken it back.
    """
    handle = os.open(f"/proc/{place.process}/fd/{place.handle}", os.O_RDONLY)
    try:
        found = os.readlink(f"/proc/self/fd/{handle}")
        if place.name not in found:
            raise FileNotFoundError(f"process {place.process} took {place.name} back: {found}")
        record = ArrayRecord()
        _fill(record, handle, entries)
        return record
    finally:
        os.close(handle)


def _fill(record: ArrayRecord, handle: int, entries: list[LentArray]) -> None:
    if not entries:
        return
    memory = memoryview(mmap.mmap(handle, 0, mmap.MAP_SHARED, mmap.PROT_READ))
    for name, dtype, shape, begin, end in entries:
        record[name] = QuickArray(dtype, shape, memory[begin:end])
