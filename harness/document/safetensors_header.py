"""The header of a safetensors file, read without numpy or torch: names, types and shapes.

A file from a stranger is refused unless its header is bounded, well formed and covers exactly the
bytes that follow; a pickle is recognised and named.

Source: https://huggingface.co/docs/safetensors, format: u64 header size, JSON header, tensor bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Protocol

from harness.document.reading import open_plain, parse_json
from harness.document.units import MIB
from harness.errors import RecordError

MAX_HEADER_BYTES = 32 * MIB
"""A header takes about 150 bytes a tensor."""

MAX_FILE_BYTES = 2**50
"""A size for the bounded reader: weights of our own and of base models are read at any size."""

DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
    "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
}  # fmt: skip
"""Source: safetensors 0.8, `Dtype::bitsize`."""
PICKLE_SIGNS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""First bytes of `torch.save` files: a zip archive or a bare pickle."""

LFS_SIGN = b"version "
"""First bytes of what `git clone` leaves where git-lfs is not installed."""


class Readable(Protocol):
    """An open file, or what digests one as it is read."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, fewer than `size` only at the end."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a file."""

    dtype: str
    """safetensors' name: `F32`, `BF16` ..."""
    shape: tuple[int, ...]
    begin: int
    """Offset of its first byte, counted from the end of the header."""
    end: int
    """Offset behind its last byte."""

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its content."""

    tensors: dict[str, TensorInfo]
    """In the order in which the header lists them."""
    metadata: dict[str, str]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape."""
        return {name: item.shape for name, item in self.tensors.items()}


def file_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return the size of the file that the harness writes of float32 tensors.

    The header lists tensors by name, without spaces, and is padded to 8 bytes.
    Source: safetensors `serialize`.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, shape in sorted(shapes.items()):
        size = 4 * prod(shape)
        offsets = [position, position + size]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": offsets}
        position += size
    length = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + -(-length // 8) * 8 + position


def read_header(path: Path) -> Header:
    """Return the header of a safetensors file.

    Raises:
        RecordError: missing, a pickle, truncated, or a header that does not describe the file.
    """
    with open_plain(path, MAX_FILE_BYTES) as file:
        return header_of(file, os.fstat(file.fileno()).st_size, str(path))


def header_of(file: Readable, size: int, where: str) -> Header:
    """Read the header of an open safetensors file, which then stands at its first tensor.

    Args:
        file: at its first byte.
        size: bytes of the whole file.
        where: how messages call it.

    Raises:
        RecordError: a pickle, truncated, or a header that does not describe the file.
    """
    start = file.read(8)
    length = int.from_bytes(start, "little")
    fits = len(start) == 8 and 2 <= length <= min(size - 8, MAX_HEADER_BYTES)
    data = file.read(length) if fits else b""
    # A header of 896 bytes begins a file with 80 03 too, and goes on with its JSON.
    if start.startswith(PICKLE_SIGNS) and not data.startswith(b"{"):
        raise RecordError(
            f"{where}: a pickle, which can run code when it is read; save it as safetensors"
        )
    if start == LFS_SIGN:
        raise RecordError(f"{where}: Git LFS's pointer to a file; `git lfs pull` fetches the file")
    if not fits:
        raise RecordError(
            f"{where}: not a safetensors file (a header of {length} bytes in a file of {size})"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise RecordError(f"{where}: not a safetensors file (header is not UTF-8)") from None
    header = parse_json(text, f"{where} (header)")
    if not isinstance(header, dict):
        raise RecordError(f"{where}: not a safetensors file (header is no object)")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise RecordError(f"{where}: not a safetensors file (metadata is no object of texts)")
    tensors = {name: _tensor(where, name, item) for name, item in header.items()}
    _check_cover(where, tensors, size - 8 - length)
    return Header(tensors, metadata)


def _tensor(where: str, name: str, item: Any) -> TensorInfo:
    dtype, shape, span = (
        item.get(key) if isinstance(item, dict) else None
        for key in ("dtype", "shape", "data_offsets")
    )
    sizes, offsets = _sizes(shape), _sizes(span)
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS or sizes is None:
        raise RecordError(f"{where}: tensor {name[:80]!r} has no valid dtype and shape")
    begin, end = offsets if offsets is not None and len(offsets) == 2 else (1, 0)
    info = TensorInfo(dtype, sizes, begin, end)
    if 8 * (end - begin) != info.numel * DTYPE_BITS[dtype]:
        raise RecordError(f"{where}: tensor {name[:80]!r} has offsets that do not fit its shape")
    return info


def _sizes(value: Any) -> tuple[int, ...] | None:
    whole = isinstance(value, list) and all(type(part) is int and part >= 0 for part in value)
    return tuple(value) if whole else None


def _check_cover(where: str, tensors: Mapping[str, TensorInfo], data_bytes: int) -> None:
    position = 0
    for begin, end, name in sorted((item.begin, item.end, name) for name, item in tensors.items()):
        if begin != position:
            raise RecordError(f"{where}: tensor {name[:80]!r} overlaps another or leaves a gap")
        position = end
    if position != data_bytes:
        raise RecordError(f"{where}: {data_bytes} bytes of data, its header describes {position}")
