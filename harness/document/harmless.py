"""What a stranger's JSON may hold: strings and numbers that harm nobody.

Documents of strangers are shown in terminals, tables and pages, so that control characters and
invisible re-ordering marks have no place in them; their numbers stay where arithmetic on them is
exact or finite.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

MAX_STRING = 8_192
"""Longest string in characters; prompts and notes of ours are below 1,000."""

MAX_INTEGER = 2**63 - 1
"""Largest magnitude of an integer: bytes of a run of 100,000 rounds fit."""

MAX_FLOAT = 1e18
"""Largest magnitude of a float, and what keeps sums and products of a few finite."""

ALLOWED_CONTROLS = "\n\t"

WHOLE_PART = re.compile(r"[-:,\[][0-9]{17}")
POWER = re.compile(r"[eE]\+?[0-9]{2}")
"""What a number has that may be beyond the limits: a whole part of 17 digits, or a power of ten.
Each is looked for alone, and behind what a number stands behind: so the search skips what cannot
begin one."""


def _fault_of_text(text: str) -> str | None:
    """Say what is wrong with a string: too long, control or re-ordering characters, surrogates."""
    if len(text) > MAX_STRING:
        return f"a string of {len(text)} characters; at most {MAX_STRING}"
    if text.isascii() and text.isprintable():
        return None
    for position, char in enumerate(text):
        if char in ALLOWED_CONTROLS:
            continue
        kind = unicodedata.category(char)
        if kind in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and char not in "\u200d":
            return f"character U+{ord(char):04X} at position {position} of a string; remove it"
    return None


def surely_harmless(text: str) -> bool:
    """Whether a JSON text can hold nothing that `fault_of_value` finds, without looking at values.

    Most documents are ASCII with few escapes: then a look at the pieces between quotes is enough.
    """
    if "\\" in text:
        for escape in ("\\\\", '\\"', "\\n", "\\t", "\\/"):
            text = text.replace(escape, "x")
    if not text.isascii() or "\\" in text or "\x7f" in text:
        return False
    pieces = text.split('"')
    outside = ":" + "".join("".join(pieces[::2]).split())  # White space stands in no number.
    large = WHOLE_PART.search(outside) or POWER.search(outside)
    return not large and max(map(len, pieces)) <= MAX_STRING


def fault_of_value(value: Any) -> str | None:
    """Return the first fault of any string, key or number inside a JSON value, or None."""
    pending = [value]
    while pending:
        item = pending.pop()
        fault = None
        if isinstance(item, str):
            # Most are short names and digests, and are asked here without a call.
            if not (len(item) <= 80 and item.isascii() and item.isprintable()):
                fault = _fault_of_text(item)
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
