"""`--set key=value`: what a participant may change, and what nobody may.

Keys are the fields of the recipe's documents: `rounds` or `train.rounds`, `train.prompt.template`,
`peft.r`, `strategy.<param>`, `model.quantization`, `model`, `peft` and `strategy` for a component's
name. Keys of the challenge are recognised and refused as what they are.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from harness.components import ModelSpec
from harness.document import Document, canonical_json
from harness.errors import UsageError, did_you_mean
from harness.recipe import DataSpec, Prompt, Recipe, TrainSpec

K = TypeVar("K", bound=Document)

STATIC_KEYS = {
    "num_supernodes": "num_supernodes",
    "supernodes": "num_supernodes",
    "min_clients": "min_clients",
    "dataset": "dataset.name",
    "partitioner": "partitioner",
    "num_partitions": "num_supernodes",
    "communication": "communication.limit_mib",
    "limit_mib": "communication.limit_mib",
    "protocol": "protocol",
    "evaluation": "evaluation",
    "static": "dataset.name",
    "challenge": "id",
}
"""First part of a key, with `-` as `_` -> the challenge's value that it would change."""

FREE_MODEL_FIELDS = ("quantization", "dtype", "revision")

PARTS: dict[str, type[Document]] = {"prompt": Prompt, "data": DataSpec}
"""Documents inside `train`; their fields go by `prompt.template` as well."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Parsed `--set` options."""

    values: dict[str, Any]
    """Dotted path in the recipe (`train.rounds`, `peft.params.r`) -> value."""
    static: tuple[tuple[str, str], ...]
    """`(option text, the challenge's fixed value that it aims at)`."""


def parse_overrides(options: Iterable[str]) -> Overrides:
    """Sort `--set` options into changes of the recipe and attempts on the challenge.

    Raises:
        UsageError: no `=`, a key twice, or a key that is in neither.
    """
    values: dict[str, Any] = {}
    static: list[tuple[str, str]] = []
    for option in options:
        key, equals, text = option.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise UsageError(f"--set {option!r}: expected KEY=VALUE, as in --set rounds=3")
        first = key.partition(".")[0]
        if first == "options":  # `options.num-supernodes` of a Flower federation
            first = key.partition(".")[2]
        if first in STATIC_KEYS:
            static.append((option, STATIC_KEYS[first]))
            continue
        path = _recipe_path(key)
        if path in values:
            raise UsageError(f"--set {key}: given twice; keep one")
        values[path] = parse_value(text.strip())
    return Overrides(values, tuple(static))


def parse_value(text: str) -> Any:
    """Return a TOML value (`3`, `1e-4`, `true`, `["a"]`), or the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _recipe_path(key: str) -> str:
    if key in ("model", "peft", "strategy"):
        return key if key == "model" else f"{key}.name"
    if key in TrainSpec.model_fields:
        return f"train.{key}"
    group, _, field = key.partition(".")
    if group in ("peft", "strategy") and field:
        return f"{group}.params.{field}"
    if group == "model" and field in FREE_MODEL_FIELDS:
        return f"model_fields.{field}"
    if group in PARTS and field in PARTS[group].model_fields:
        return f"train.{key}"
    part, _, inner = field.partition(".")
    if group == "train" and (
        field in TrainSpec.model_fields or (part in PARTS and inner in PARTS[part].model_fields)
    ):
        return key
    known = [*TrainSpec.model_fields, "peft.r", "peft.alpha", "model", "peft", "strategy"]
    known += [f"{part}.{item}" for part, kind in PARTS.items() for item in kind.model_fields]
    known += [f"model.{item}" for item in FREE_MODEL_FIELDS]
    raise UsageError(f"--set {key}: no such setting; {did_you_mean(key, known)}")


def apply_to_recipe(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """Return `recipe` with the changes in `train`, `peft`, `strategy` and `model`.

    Another PEFT method or strategy starts from its own defaults: what the recipe says of the old
    one's parameters is left behind.

    Raises:
        UsageError: a value of the wrong type or out of range; the key is named.
    """
    tree = recipe.model_dump(mode="json")
    for part in ("peft", "strategy"):
        if values.get(f"{part}.name", tree[part]["name"]) != tree[part]["name"]:
            tree[part]["params"] = {}
    for path, value in values.items():
        if path.startswith("model_fields."):
            continue
        node = tree
        *parents, leaf = path.split(".")
        for name in parents:
            node = node[name]
        node[leaf] = value
    return _strictly(Recipe, tree)


def apply_to_model(model: ModelSpec, values: dict[str, Any]) -> ModelSpec:
    """Return `model` with the changes of `model.<field>` keys. Raises UsageError as above."""
    fields = {
        path[13:]: value for path, value in values.items() if path.startswith("model_fields.")
    }
    return _strictly(ModelSpec, model.model_dump(mode="json") | fields) if fields else model


def _strictly(kind: type[K], tree: dict[str, Any]) -> K:
    """Validate as JSON in strict mode: `rounds=true` or `rounds="3"` is not a number."""
    try:
        return kind.model_validate_json(canonical_json(tree), strict=True)
    except ValidationError as error:
        item = error.errors()[0]
        key = ".".join(str(part) for part in item["loc"]).replace(".params.", ".")
        found = json.dumps(item["input"], default=str)[:60]
        raise UsageError(f"--set {key}={found}: {item['msg']}; change the value") from None
