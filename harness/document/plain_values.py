"""Plain values: what JSON carries to another process and back without a change."""

from __future__ import annotations

import math
from typing import Any


def why_not_plain(value: Any, where: str = "") -> str | None:
    """Say what in `value` JSON could not carry as it is.

    A set has another order in every process, so a digest over it would differ; a NaN would come
    back as null; -0.0 would give a second digest to what is computed with 0.0.

    Returns:
        `where.key: what it is`, or None when all is None, bool, int, finite float, text, and lists,
        tuples and dicts of these.
    """
    here = where or "value"
    match value:
        case None | bool() | int() | str():
            return None
        case float():
            if not value and math.copysign(1, value) < 0:
                return f"{here} is -0.0, which is written 0.0"
            return None if math.isfinite(value) else f"{here} is {value}, no finite number"
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    return f"{here} has the key {key!r}, no text"
                if problem := why_not_plain(item, f"{where}.{key}" if where else key):
                    return problem
            return None
        case list() | tuple():
            found = (why_not_plain(item, f"{here}[{index}]") for index, item in enumerate(value))
            return next((problem for problem in found if problem), None)
        case _:
            return f"{here} is of type {type(value).__name__}, which JSON has not"
