"""TOML of strangers: parsed within bounds, or refused in one sentence."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from harness.errors import RecordError

MAX_KEY_PARTS = 64
"""Longest dotted key: each part is a table within a table. The template's longest has six parts."""
TOKEN = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[ \t]+|.", re.DOTALL)


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return what a TOML text holds.

    Raises:
        RecordError: it is no TOML, or a key of it has more than 64 parts.
    """
    refuse_long_keys(text, where)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # TOMLDecodeError is a ValueError; so is an integer of more digits than Python converts.
        raise RecordError(f"{where}: not TOML ({str(error)[:80]})") from None


def refuse_long_keys(text: str, where: str) -> None:
    """Refuse a dotted key that would become tables within tables without end.

    Raises:
        RecordError: more than 64 parts joined by dots.
    """
    parts, after_dot = 0, False
    for match in TOKEN.finditer(text):
        token = match.group()
        if token.isspace() and token != "\n":
            continue
        if token == ".":
            after_dot = parts > 0
        elif token[0].isalnum() or token[0] in "_-\"'":
            parts, after_dot = (parts + 1 if after_dot else 1), False
            if parts > MAX_KEY_PARTS:
                raise RecordError(
                    f"{where}: a key of more than {MAX_KEY_PARTS} parts joined by dots; expected"
                    " the template's keys, such as model.lora.peft-lora-r"
                )
        else:
            parts, after_dot = 0, False
