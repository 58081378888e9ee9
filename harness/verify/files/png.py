"""A small PNG, told from anything else by its bytes alone.

Source: https://www.w3.org/TR/png-3/, sections 5 and 11.2.1.
"""

from __future__ import annotations

import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 4_096
"""Pixels; ours has 1,400."""


def fault_of_png(data: bytes) -> str | None:
    """Say why bytes are no small PNG: signature, chunks, checksums, size, what follows the end."""
    if not data.startswith(SIGNATURE):
        return f"a file that begins with {data[:8]!r}"
    position = len(SIGNATURE)
    kinds: list[bytes] = []
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        check = data[position + 8 + length : position + 12 + length]
        if len(check) < 4 or zlib.crc32(kind + body) != int.from_bytes(check, "big"):
            return f"a chunk at byte {position} that is cut or has a wrong checksum"
        if not kinds and (kind != b"IHDR" or length != 13):
            return "no header of width and height"
        if not kinds:
            width, height = (int.from_bytes(body[i : i + 4], "big") for i in (0, 4))
            if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
                return f"{width} x {height} pixels"
        kinds.append(kind)
        position += 12 + length
        if kind == b"IEND":
            break
    if not kinds or kinds[-1] != b"IEND" or b"IDAT" not in kinds:
        return "no picture, or no end of it"
    return f"{len(data) - position} bytes after its end" if position < len(data) else None
