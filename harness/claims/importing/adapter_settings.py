"""An adapter as peft's adapter_config.json has it, and as a project's code makes it."""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard

from harness.claims.importing.project import Project
from harness.claims.importing.readme.template_values import printable, typed
from harness.claims.record import ClaimedConfig, SettingsSource
from harness.errors import RecordError

MAX_CODE_BYTES = 200_000
"""Larger files are no template's models.py; the parser's tree takes some 100 bytes a byte."""
STRATEGY_CLASS = re.compile(r"Fed[A-Z]\w{1,30}|FedAvg|Krum|QFedAvg|DifferentialPrivacy\w{1,60}")
"""Classes of Flower that a strategy is made of. Source: flwr.serverapp.strategy."""
CONFIG_FIELDS = {
    "base_model_name_or_path": "model", "r": "rank", "lora_alpha": "alpha", "use_dora": "dora",
    "target_modules": "targets", "lora_dropout": "dropout",
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


BEYOND_RANK = (
    "rank_pattern", "modules_to_save", "layers_to_transform", "layers_pattern", "exclude_modules",
    "layer_replication", "trainable_token_indices", "target_parameters",
)  # fmt: skip
"""Fields of peft's LoraConfig that, where they are set, give an adapter other tensors."""


def _settings(value: dict[str, Any]) -> ClaimedConfig:
    config = {field: typed(field, value.get(key)) for key, field in CONFIG_FIELDS.items()}
    beyond = [field for field in BEYOND_RANK if value.get(field)]
    kind, bias = value.get("peft_type", "LORA"), value.get("bias", "none")
    beyond += [f"peft_type {printable(str(kind)):.40}"] * (kind != "LORA") + ["bias"] * (
        bias != "none"
    )
    if isinstance(value.get("target_modules"), str) and re.search(
        r"[^\w.,\s-]|\.\*", value["target_modules"]
    ):
        config["targets"] = None
        beyond.append("an expression as target_modules")
    config["beyond_rank"] = tuple(beyond) or None
    if config["targets"]:
        config["targets"] = tuple(sorted(config["targets"]))
    return ClaimedConfig(**config)


def read_code(project: Project, app: str, unread: list[str]) -> list[tuple[str, ClaimedConfig]]:
    """Read `LoraConfig(...)` and the strategy's class in a project's code; nothing is executed.

    Args:
        project: its files.
        app: the pyproject.toml of the app; code of other apps beside it is not read.
        unread: collects that several of either differ.

    Returns:
        Each file that says something, and what: the arguments that are literals, and the class that
        the strategy is made of. A call without `use_dora` makes no DoRA; an argument that is a
        variable says nothing.
    """
    folder = app.rpartition("/")[0]
    calls: dict[str, list[ClaimedConfig]] = {}
    bases: dict[str, set[str]] = {}
    for name in project.find(r".*\.(?:py|ipynb)"):
        if (folder and not name.startswith(f"{folder}/")) or "eval" in name.lower():
            continue
        try:
            tree = ast.parse(_code(project, name))
        except (SyntaxError, ValueError, RecursionError, MemoryError, RecordError):
            continue
        nodes = list(ast.walk(tree))
        calls[name] = [_arguments(n) for n in nodes if _calls_lora_config(n)]
        bases[name] = {base for n in nodes if isinstance(n, ast.ClassDef) for base in _bases(n)}
        if not calls[name] and not bases[name]:
            project.digests.pop(name, None)
    return [*_agreed(calls, unread), *_strategy(bases, unread)]


def read_code_blocks(blocks: Iterable[str], file: str, unread: list[str]) -> list[SettingsSource]:
    """Read `LoraConfig(...)` in the code that a README shows, which may be a part of it.

    Args:
        blocks: of Python.
        file: the README's name.
        unread: collects that several differ.
    """
    calls = []
    for block in blocks:
        try:
            # `LoraConfig(r=16, ...)` is no Python: nothing may follow a keyword.
            whole = re.sub(r",\s{0,20}\.\.\.", "", textwrap.dedent(block)[:MAX_CODE_BYTES])
            nodes = ast.walk(ast.parse(whole))
            calls += [_arguments(n).with_values(dora=None) for n in nodes if _calls_lora_config(n)]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    where = f"{file} (its code)"
    return [
        SettingsSource(where=where, values=values)
        for _, values in _agreed({where: calls}, unread)
        if values != ClaimedConfig()
    ]


def _code(project: Project, name: str) -> str:
    """Return the Python of a file; of a notebook its code cells, without IPython's own lines.

    Raises:
        RecordError: too large.
        ValueError: a notebook that is none.
    """
    if not name.endswith(".ipynb"):
        return project.data(name, MAX_CODE_BYTES).decode("utf-8", errors="replace")
    lines = [
        line.rstrip("\n")
        for cell in _cells(project.text(name))
        if cell.get("cell_type") not in ("markdown", "raw")
        for line in _source(cell.get("source"))
    ]
    kept = "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))
    return kept if len(kept) <= MAX_CODE_BYTES else ""


def _cells(notebook: str) -> list[dict[str, Any]]:
    value = json.loads(notebook)
    cells = value.get("cells") if isinstance(value, dict) else None
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []


def notebook_text(notebook: str) -> str:
    """Return what a notebook says in words: its Markdown, and what its cells printed.

    Raises:
        ValueError: it is none.
    """
    said = []
    for cell in _cells(notebook):
        if cell.get("cell_type") == "markdown":
            said += _source(cell.get("source"))
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            said += _source(output.get("text")) if isinstance(output, dict) else []
        said.append("")
    return "\n".join(line.rstrip("\n") for line in said)


def _source(value: Any) -> list[str]:
    lines = value.split("\n") if isinstance(value, str) else value
    return [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []


def _agreed(
    calls: dict[str, list[ClaimedConfig]], unread: list[str]
) -> Iterator[tuple[str, ClaimedConfig]]:
    """Yield what all calls of `LoraConfig` agree in."""
    files = [name for name, found in calls.items() if found]
    distinct = list(dict.fromkeys(call for found in calls.values() for call in found))
    if not distinct:
        return
    agreed = distinct[0]
    for call in distinct[1:]:
        differing = {k: None for k, v in call.model_dump().items() if v != getattr(agreed, k)}
        agreed = agreed.with_values(**differing)
    if len(distinct) > 1:
        unread.append(f"{', '.join(files)}: {len(distinct)} LoraConfig that differ")
    yield files[0], agreed


def _strategy(bases: dict[str, set[str]], unread: list[str]) -> Iterator[tuple[str, ClaimedConfig]]:
    files = [name for name, found in bases.items() if found]
    distinct = sorted(set().union(*bases.values())) if bases else []
    if len(distinct) == 1:
        yield files[0], ClaimedConfig(strategy=distinct[0])
    elif distinct:
        unread.append(f"{', '.join(files)}: strategies made of {', '.join(distinct)}")


def _bases(node: ast.ClassDef) -> Iterator[str]:
    for base in map(_name, node.bases):
        if STRATEGY_CLASS.fullmatch(base):
            # FlexLoRA is no class of Flower: people make theirs of FedAvg.
            yield "FlexLoRA" if "flexlora" in node.name.lower() else base


def _calls_lora_config(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and _name(node.func) == "LoraConfig"


def _arguments(call: ast.Call) -> ClaimedConfig:
    arguments = {item.arg: item.value for item in call.keywords if item.arg is not None}
    starred = any(item.arg is None for item in call.keywords)
    values = {
        field: typed(field, _literal(arguments.get(key))) for key, field in CONFIG_FIELDS.items()
    }
    if "use_dora" not in arguments and not starred:
        values["dora"] = False
    return ClaimedConfig(**values)


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", "") or getattr(function, "id", "")


def _literal(node: ast.expr | None) -> Any:
    try:
        value = None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return list(value) if isinstance(value, tuple | set) else value
