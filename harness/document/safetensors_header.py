"""The header of a safetensors file, read without numpy or torch: names, types and shapes.

A file from a stranger is refused unless its header is bounded, well formed and covers exactly the
bytes that follow; a pickle is recognised and named.

Source: https://huggingface.co/docs/safetensors, format: u64 header size, JSON header, tensor bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from harness.document import parse_json
from harness.errors import RecordError

MAX_HEADER_BYTES = 32 * 2**20
"""A header takes about 150 bytes a tensor."""

DTYPE_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
    "BOOL": 1, "U16": 2, "U32": 4, "U64": 8, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip
PICKLE_SIGNS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""First bytes of `torch.save` files: a zip archive or a bare pickle."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a file."""

    dtype: str
    """safetensors' name: `F32`, `BF16` ..."""
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def file_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return the size of the file that the harness writes of float32 tensors.

    The header lists tensors by name, without spaces, and is padded to 8 bytes.
    Source: safetensors `serialize`.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, shape in sorted(shapes.items()):
        size = DTYPE_BYTES["F32"] * prod(shape)
        offsets = [position, position + size]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": offsets}
        position += size
    length = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + -(-length // 8) * 8 + position


def tensor_shapes(path: Path) -> dict[str, TensorInfo]:
    """Return the tensors of a safetensors file, in file order.

    Raises:
        RecordError: missing, a pickle, truncated, or a header that does not describe the file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if start.startswith(PICKLE_SIGNS):
                raise RecordError(
                    f"{path}: a pickle, which can run code when it is read; save the adapter as"
                    " safetensors"
                )
            length = int.from_bytes(start, "little")
            if len(start) < 8 or not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
                raise RecordError(f"{path}: not a safetensors file (header of {length} bytes)")
            text = file.read(length).decode()
    except UnicodeDecodeError:
        raise RecordError(f"{path}: not a safetensors file (header is not UTF-8)") from None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check it") from None
    header = parse_json(text, f"{path} (header)")
    if not isinstance(header, dict):
        raise RecordError(f"{path}: not a safetensors file (header is no object)")
    header.pop("__metadata__", None)
    found = {name: _tensor(path, name, item) for name, item in header.items()}
    _check_offsets(path, header, found, size - 8 - length)
    return found


def _tensor(path: Path, name: str, item: Any) -> TensorInfo:
    dtype = item.get("dtype") if isinstance(item, dict) else None
    shape = item.get("shape") if isinstance(item, dict) else None
    if not isinstance(shape, list):
        shape = [None]
    if dtype in DTYPE_BYTES and all(type(part) is int and part >= 0 for part in shape):
        return TensorInfo(dtype, tuple(shape))
    raise RecordError(f"{path}: tensor {name[:80]!r} has no valid dtype and shape")


def _check_offsets(
    path: Path, header: dict[str, Any], found: dict[str, TensorInfo], data_bytes: int
) -> None:
    spans = []
    for name, info in found.items():
        span = header[name].get("data_offsets")
        ok = isinstance(span, list) and len(span) == 2 and all(type(part) is int for part in span)
        if not ok or span[1] - span[0] != info.numel * DTYPE_BYTES[info.dtype]:
            raise RecordError(f"{path}: tensor {name[:80]!r} has offsets that do not fit its shape")
        spans.append((span[0], span[1], name))
    position = 0
    for begin, end, name in sorted(spans):
        if begin != position:
            raise RecordError(f"{path}: tensor {name[:80]!r} overlaps another or leaves a gap")
        position = end
    if position != data_bytes:
        raise RecordError(f"{path}: {data_bytes} bytes of data, its header describes {position}")
