"""What strings and numbers of a stranger's document may be.

Documents are shown in terminals, tables and pages, so that control characters and invisible
re-ordering marks have no place in them; numbers stay where arithmetic on them is exact or finite.
"""

from __future__ import annotations

import unicodedata
from typing import Any

MAX_STRING = 8_192
"""Longest string in characters; prompts and notes of ours are below 1,000."""

MAX_INTEGER = 2**63 - 1
"""Largest magnitude of an integer: bytes of a run of 100,000 rounds fit."""

MAX_FLOAT = 1e18
"""Largest magnitude of a float, and what keeps sums and products of a few finite."""

ALLOWED_CONTROLS = "\n\t"


def fault_of_text(text: str, limit: int = MAX_STRING) -> str | None:
    """Say what is wrong with a string: too long, control or re-ordering characters, surrogates."""
    if len(text) > limit:
        return f"a string of {len(text)} characters; at most {limit}"
    if text.isascii() and text.isprintable():
        return None
    for position, char in enumerate(text):
        if char in ALLOWED_CONTROLS:
            continue
        kind = unicodedata.category(char)
        if kind in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and char not in "\u200d":
            return f"character U+{ord(char):04X} at position {position} of a string; remove it"
    return None


def fault_of_value(value: Any) -> str | None:
    """Return the first fault of any string, key or number inside a JSON value, or None."""
    pending = [value]
    while pending:
        item = pending.pop()
        fault = None
        if isinstance(item, str):
            fault = fault_of_text(item)
        elif isinstance(item, dict):
            pending.extend(item.values())
            pending.extend(item.keys())
        elif isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, bool):
            continue
        elif isinstance(item, int) and abs(item) > MAX_INTEGER:
            fault = f"an integer of {item.bit_length()} bits; at most 63"
        elif isinstance(item, float) and not abs(item) <= MAX_FLOAT:
            fault = f"a number beyond {MAX_FLOAT:g}"
        if fault:
            return fault
    return None
