"""Values of settings as a claim holds them, and those that stand under the template's keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from harness.boards.template_keys import TEMPLATE_KEYS
from harness.claims.record import ClaimedConfig


def without_folders(text: str) -> str:
    """Return the last part of a path of somebody's machine; a hub id stays what it is.

    A folder of the hub's cache is its model: `~/.cache/.../models--OWNER--NAME/snapshots/...`.
    """
    cached = re.search(r"(?:models|datasets)--([\w.-]{1,80}?)--([\w.-]{1,80})", text)
    if cached is not None:
        return f"{cached[1]}/{cached[2]}"
    local = text.startswith(("/", "~", "./", "../", "\\", "file:")) or re.match(
        r"[A-Za-z]:[\\/]", text
    )
    return re.split(r"[\\/]", text.rstrip("\\/"))[-1] if local else text


ACCEPTED_TYPES: Mapping[str, tuple[type, ...]] = {
    "model": (str,), "dataset": (str,), "optimizer": (str,), "dora": (bool,),
    "targets": (list, str), "fraction": (int, float), "learning_rate_max": (int, float),
    "learning_rate_min": (int, float), "dropout": (int, float), "strategy": (str,),
}  # fmt: skip
"""Field of a claim -> types of value that are taken; a field not listed is a whole number."""


def typed(field: str, value: Any) -> Any:
    """Return a parsed value as a claim holds it, or None where it can be no value of the field."""
    if isinstance(value, bool) is not (field == "dora"):
        return None
    if not isinstance(value, ACCEPTED_TYPES.get(field, (int,))):
        return None
    if isinstance(value, int | float) and not abs(value) < 2**53:
        return None  # NaN and the infinite included.
    if isinstance(value, list) or field == "targets":
        names: list[Any] = value if isinstance(value, list) else str(value).split(",")
        return tuple(printable(str(item)).strip()[:80] for item in names[:50])
    return without_folders(printable(value))[:200] if isinstance(value, str) else value


def printable(text: str) -> str:
    """Return text without what no document can hold: lone surrogates become U+FFFD."""
    return text.encode("utf-8", "replace").decode("utf-8")


def flatten(table: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Return dotted key -> value of nested tables; `_` in a key is read as `-`."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}".replace("_", "-")
        if isinstance(value, dict) and depth < 10:
            flat |= flatten(value, f"{name}.", depth + 1)
        else:
            flat[name] = value
    return flat


def supernodes_in(federations: Mapping[str, Any]) -> int | None:
    """Return the number of supernodes that federations state: all of them, or the default one.

    Args:
        federations: dotted key -> value: `local-simulation.options.num-supernodes` -> 20.
    """
    counts = {
        key: value
        for key, value in federations.items()
        if key.endswith("options.num-supernodes") and type(value) is int and abs(value) < 2**53
    }
    chosen = counts.get(f"{federations.get('default')}.options.num-supernodes")
    several = set(counts.values())
    return several.pop() if len(several) == 1 else chosen


def from_keys(flat: Mapping[str, Any], odd: Callable[[str, Any], None]) -> ClaimedConfig:
    """Return the settings that stand under the template's keys.

    Args:
        flat: dotted key -> value.
        odd: told the key and value of what can be no value of its setting.
    """
    values: dict[str, Any] = {}
    for field in ClaimedConfig.model_fields:
        for key in TEMPLATE_KEYS.get(field, ()):
            if key in flat and field not in values:
                value = typed(field, flat[key])
                if value is None:
                    odd(key, flat[key])
                else:
                    values[field] = value
            elif key in flat and typed(field, flat[key]) != values[field]:
                odd(key, flat[key])
    if "strategy.fraction-train" in flat:
        values["api"] = "message"
    elif "strategy.fraction-fit" in flat:
        values["api"] = "legacy"
    return ClaimedConfig(**values)
