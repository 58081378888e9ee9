"""Settings of a project: pyproject.toml with dotted or nested keys, old and new names."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from harness.boards.template_keys import TEMPLATE_KEYS
from harness.claims.importing.project import Project
from harness.claims.record import Api, ClaimedConfig
from harness.errors import RecordError, UsageError

NUMBERS = (int, float)
ACCEPTED_TYPES: dict[str, tuple[type, ...]] = {
    "model": (str,), "dataset": (str,), "optimizer": (str,), "dora": (bool,), "targets": (list,),
    "fraction": NUMBERS, "learning_rate_max": NUMBERS, "learning_rate_min": NUMBERS,
}  # fmt: skip
"""Field of a claim -> types of value that are taken; a field not listed is a whole number."""


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


def read_config(project: Project, unread: list[str]) -> ClaimedConfig:
    """Read the one pyproject.toml that configures a Flower app.

    Raises:
        UsageError: several of them.
    """
    apps: dict[str, dict[str, Any]] = {}
    for name in project.find(r"pyproject\.toml"):
        try:
            table = tomllib.loads(project.text(name))
        except (tomllib.TOMLDecodeError, RecursionError, RecordError) as error:
            unread.append(f"{name}: not TOML ({str(error)[:80]})")
            continue
        flwr = table.get("tool", {}).get("flwr", {}) if isinstance(table.get("tool"), dict) else {}
        if isinstance(flwr, dict) and isinstance(flwr.get("app"), dict):
            apps[name] = flwr
    if not apps:
        unread.append("no pyproject.toml with [tool.flwr.app]")
        return ClaimedConfig()
    shallow = min(name.count("/") for name in apps)
    names = [name for name in apps if name.count("/") == shallow]
    if len(names) > 1:
        raise UsageError(f"several Flower apps: {', '.join(names)}; give the folder of one")
    return from_flwr(apps[names[0]], names[0], unread)


def from_flwr(flwr: Mapping[str, Any], name: str, unread: list[str]) -> ClaimedConfig:
    """Return the settings of a parsed `[tool.flwr]` table."""
    config = flwr.get("app", {}).get("config", {})
    flat = flatten(config if isinstance(config, dict) else {})
    values: dict[str, Any] = {}
    for field in ClaimedConfig.model_fields:
        for key in TEMPLATE_KEYS.get(field, ()):
            if key in flat and field not in values:
                value = _typed(field, flat[key])
                if value is None:
                    unread.append(f"{name}: {key} is {str(flat[key])[:40]!r}")
                else:
                    values[field] = value
    federations = flatten(flwr.get("federations", {}))
    counts = {value for key, value in federations.items() if key.endswith("options.num-supernodes")}
    if len(counts) == 1 and type(count := counts.pop()) is int:
        values["num_supernodes"] = count
    values["api"] = _api(flat)
    return ClaimedConfig(**values)


def _typed(field: str, value: Any) -> Any:
    if isinstance(value, bool) is not (field == "dora"):
        return None
    if not isinstance(value, ACCEPTED_TYPES.get(field, (int,))):
        return None
    if isinstance(value, str):
        return value[:200]
    if isinstance(value, list):
        return tuple(str(item)[:80] for item in value[:50])
    return value


def _api(flat: Mapping[str, Any]) -> Api | None:
    if "strategy.fraction-train" in flat:
        return "message"
    return "legacy" if "strategy.fraction-fit" in flat else None


def read_adapter_config(project: Project, unread: list[str]) -> ClaimedConfig | None:
    """Read peft's adapter_config.json, or None without exactly one."""
    names = list(project.find(r"adapter_config\.json"))
    if len(names) != 1:
        if names:
            unread.append(f"{len(names)} files adapter_config.json; which one is not certain")
        return None
    try:
        value = json.loads(project.text(names[0]))
    except (ValueError, RecursionError, RecordError):
        unread.append(f"{names[0]}: not JSON")
        return None
    if not isinstance(value, dict):
        return None
    targets = value.get("target_modules")
    return ClaimedConfig(
        model=_typed("model", value.get("base_model_name_or_path")),
        rank=_typed("rank", value.get("r")),
        alpha=_typed("alpha", value.get("lora_alpha")),
        dora=_typed("dora", value.get("use_dora")),
        targets=tuple(sorted(map(str, targets)))[:50] if isinstance(targets, list) else None,
    )


def merged(first: ClaimedConfig, second: ClaimedConfig | None) -> ClaimedConfig:
    """Return `first` with its gaps filled from `second`."""
    if second is None:
        return first
    other = second.model_dump()
    return ClaimedConfig(
        **{
            key: value if value is not None else other[key]
            for key, value in first.model_dump().items()
        }
    )
