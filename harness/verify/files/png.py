"""A small PNG, told from anything else by its bytes alone, with nothing in it but the picture.

Source: https://www.w3.org/TR/png-3/, sections 5 and 11.2.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 4_096
"""Pixels; ours has 1,400."""

CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
"""Chunks without which there is no picture; all others may hold any text."""

RESOLUTION = b"pHYs", bytes.fromhex("0000127400001274") + b"\x01"
"""The chunk that plots of ours carried before they were filed without: 120 dots an inch."""


def fault_of_png(data: bytes) -> str | None:
    """Say why bytes are no small PNG: signature, chunks, checksums, size, what is hidden in it."""
    if not data.startswith(SIGNATURE):
        return f"a file that begins with {data[:8]!r}"
    kinds: list[bytes] = []
    position = len(SIGNATURE)
    for kind, body, end in _chunks(data):
        if kind is None:
            return f"a chunk at byte {end} that is cut or has a wrong checksum"
        if not kinds and (kind != b"IHDR" or len(body) != 13):
            return "no header of width and height"
        if not kinds:
            width, height = (int.from_bytes(body[i : i + 4], "big") for i in (0, 4))
            if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
                return f"{width} x {height} pixels"
        elif kind not in CRITICAL[1:] and (kind, body) != RESOLUTION:
            return f"a chunk {kind!r} of {len(body):,} bytes, which is no part of the picture"
        kinds.append(kind)
        position = end
    if not kinds or kinds[-1] != b"IEND" or b"IDAT" not in kinds:
        return "no picture, or no end of it"
    if position < len(data):
        return f"{len(data) - position:,} bytes after its end"
    return None


def critical_png(data: bytes) -> bytes:
    """Return a picture without the chunks that are no part of it."""
    kept = [SIGNATURE]
    start = len(SIGNATURE)
    for kind, _, end in _chunks(data):
        if kind in CRITICAL:
            kept.append(data[start:end])
        start = end
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes | None, bytes, int]]:
    """Yield (kind, body, offset behind it) up to the picture's end; kind None: it is broken."""
    position = len(SIGNATURE)
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        check = data[position + 8 + length : position + 12 + length]
        if len(check) < 4 or zlib.crc32(kind + body) != int.from_bytes(check, "big"):
            yield None, b"", position
            return
        position += 12 + length
        yield kind, body, position
        if kind == b"IEND":
            return
