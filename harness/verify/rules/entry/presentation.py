"""Rules on what people look at first: the card and the plot."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from harness.document.reading import STRANGER, read_bytes, read_text
from harness.errors import RecordError
from harness.record.card import card
from harness.verify.files.layout import CARD, LOSS, MAX_BYTES
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Subject

PNG = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 4_096
"""Pixels; ours has 1,400."""


def derived_card(subject: Subject) -> Iterator[Breach]:
    """The card is the one that follows from the record, number by number."""
    if not subject.is_submission or subject.folder is None or CARD not in subject.digests:
        return
    try:
        found = read_text(subject.folder / CARD, MAX_BYTES[CARD], STRANGER).splitlines()
    except RecordError:
        return  # `readable` says so.
    expected = card(subject.record, subject.challenge).splitlines()
    if found != expected:
        pairs = enumerate(zip(found, expected, strict=False), 1)
        line = next((n for n, (a, b) in pairs if a != b), min(len(found), len(expected)) + 1)
        text = found[line - 1] if line <= len(found) else "the end"
        yield f"line {line}", text, "the card of this record; nobody checks what else a card says"


def plot(subject: Subject) -> Iterator[Breach]:
    """The plot is a PNG of bounded size and nothing else."""
    if not subject.is_submission or subject.folder is None or LOSS not in subject.digests:
        return
    try:
        data = read_bytes(subject.folder / LOSS, MAX_BYTES[LOSS], STRANGER)
    except RecordError as error:
        yield "", str(error), "a PNG"
        return
    fault = fault_of_png(data)
    if fault:
        yield "", fault, f"a PNG of at most {MAX_SIDE} x {MAX_SIDE} pixels"


def fault_of_png(data: bytes) -> str | None:
    """Say why bytes are no small PNG: signature, chunks, checksums, size, what follows the end.

    Source: https://www.w3.org/TR/png-3/, sections 5 and 11.2.1.
    """
    if not data.startswith(PNG):
        return f"a file that begins with {data[:8]!r}"
    position = len(PNG)
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


RULES = (
    Rule("card", "The card follows from the record", "harness.record.card", derived_card, file=CARD,
         severity="warning"),
    Rule("plot", "The plot is a small PNG", "PNG specification", plot, file=LOSS),
)  # fmt: skip
