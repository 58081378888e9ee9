"""An adapter as peft's adapter_config.json has it, and as a project's code makes it."""

from __future__ import annotations

import ast
import json
from typing import Any

from harness.claims.importing.labels import typed
from harness.claims.importing.project import Project
from harness.claims.record import ClaimedConfig
from harness.errors import RecordError

MAX_CODE_BYTES = 200_000
"""Larger files are no template's models.py; the parser's tree takes some 100 bytes a byte."""
CONFIG_FIELDS = {
    "base_model_name_or_path": "model", "r": "rank", "lora_alpha": "alpha", "use_dora": "dora",
    "target_modules": "targets",
}  # fmt: skip
"""Field of peft's LoraConfig -> setting. Source: peft `LoraConfig`."""


def read_adapter_config(project: Project, unread: list[str]) -> tuple[str, ClaimedConfig] | None:
    """Read peft's adapter_config.json: the only one, or several that say the same.

    Returns:
        The file and its settings, or None.
    """
    names = list(project.find(r"adapter_config\.json"))
    found: dict[str, ClaimedConfig] = {}
    for name in names:
        try:
            value = json.loads(project.text(name))
        except (ValueError, RecursionError, RecordError):
            unread.append(f"{name}: not JSON")
            continue
        if isinstance(value, dict):
            found[name] = _settings(value)
    distinct = list(dict.fromkeys(found.values()))
    if len(distinct) > 1:
        unread.append(f"{len(found)} files adapter_config.json; which one is not certain")
    return next(iter(found.items())) if len(distinct) == 1 else None


def _settings(value: dict[str, Any]) -> ClaimedConfig:
    config = {field: typed(field, value.get(key)) for key, field in CONFIG_FIELDS.items()}
    if config["targets"]:
        config["targets"] = tuple(sorted(config["targets"]))
    return ClaimedConfig(**config)


def read_code(project: Project, app: str, unread: list[str]) -> tuple[str, ClaimedConfig] | None:
    """Read the arguments of `LoraConfig(...)` in a project's code; nothing is executed.

    Args:
        project: its files.
        app: the pyproject.toml of the app; code of other apps beside it is not read.
        unread: collects that several calls differ.

    Returns:
        The file and what is written there as a literal, or None. A call without `use_dora` makes
        no DoRA; an argument that is a variable says nothing.
    """
    folder = app.rpartition("/")[0]
    found: dict[str, list[ClaimedConfig]] = {}
    for name in project.find(r".*\.py"):
        if (folder and not name.startswith(f"{folder}/")) or "eval" in name.lower():
            continue
        try:
            text = project.data(name, MAX_CODE_BYTES).decode("utf-8", errors="replace")
            calls = _lora_configs(text) if "LoraConfig" in text else []
        except (SyntaxError, ValueError, RecursionError, MemoryError, RecordError):
            continue
        if calls:
            found[name] = calls
        else:
            project.digests.pop(name, None)
    distinct = list(dict.fromkeys(call for calls in found.values() for call in calls))
    if not distinct:
        return None
    agreed = distinct[0]
    for call in distinct[1:]:
        agreed = agreed.with_values(
            **{k: None for k, v in call.model_dump().items() if v != getattr(agreed, k)}
        )
    if len(distinct) > 1:
        unread.append(f"{', '.join(found)}: {len(distinct)} LoraConfig that differ")
    return next(iter(found)), agreed


def _lora_configs(text: str) -> list[ClaimedConfig]:
    calls = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and _name(node.func) == "LoraConfig":
            arguments = {item.arg: item.value for item in node.keywords if item.arg is not None}
            starred = any(item.arg is None for item in node.keywords)
            values = {
                field: typed(field, _literal(arguments.get(key)))
                for key, field in CONFIG_FIELDS.items()
            }
            if "use_dora" not in arguments and not starred:
                values["dora"] = False
            calls.append(ClaimedConfig(**values))
    return calls


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", "") or getattr(function, "id", "")


def _literal(node: ast.expr | None) -> Any:
    try:
        value = None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return list(value) if isinstance(value, tuple | set) else value
