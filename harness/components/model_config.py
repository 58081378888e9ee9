"""A ModelSpec of what a model's config.json says, without torch or transformers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from harness.components.families import FAMILIES, KEYS
from harness.components.layout import in_every_block
from harness.components.model import ModelSpec
from harness.document import explain
from harness.errors import SourceError

FREE_FIELDS = ("quantization", "dtype", "revision", "trust_remote_code", "licence")
"""Fields of a ModelSpec that config.json does not decide."""

MOST_LAYERS = 1_000
"""Decoder blocks; the largest models have below 200. Each costs seven layers to list."""
LARGEST_SIZE = 10_000_000
"""Widths and vocabularies; the largest are below a million."""


def spec_of_config(config: Mapping[str, Any], hub_id: str, where: str, **free: Any) -> ModelSpec:
    """Return the ModelSpec of a model.

    Args:
        config: the values of its config.json, which may be a stranger's.
        hub_id: its name on the hub.
        where: the file, for messages.
        free: fields of `FREE_FIELDS`.

    Raises:
        SourceError: the family is not known, or a size is missing or is none.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise SourceError(f"{no_known_family(config, where)}; use a model of one of them")
    family = FAMILIES[kind]
    refuse_quantized(config, where)
    values: dict[str, Any] = {
        "name": model_name(hub_id), "hub_id": hub_id, "architecture": kind, "tied_embeddings": False
    }  # fmt: skip
    for name, key in {**KEYS, **family.keys}.items():
        value = config.get(key)
        if value is None:  # null means the default too
            value = family.defaults.get(name, values.get(name))
        if value is None and name == "kv_heads":
            value = values["heads"]
        if value is None and name in ("head_dim", *family.keys):
            continue
        values[name] = _checked(value, key, name, where)
    if values.get("head_dim", 0) * values["heads"] == values["hidden"]:
        del values["head_dim"]  # so one model has one spec, however its config spells it
    try:
        return ModelSpec.model_validate(values | free)
    except ValidationError as error:
        raise SourceError(f"{where}: {explain(error)}") from None


def no_known_family(config: Mapping[str, Any], where: str) -> str:
    """Return in words that a config.json is of no family of the table."""
    if config.get("model_type") is None:
        return f"{where}: no model_type, which says of what family a model is"
    return (
        f"{where}: model_type {str(config.get('model_type'))[:40]!r} is no family that is known"
        f" here ({', '.join(FAMILIES)}){_hint(config)}"
    )


def refuse_quantized(config: Mapping[str, Any], where: str) -> None:
    """Refuse weights that somebody quantized before.

    Raises:
        SourceError: config.json says so.
    """
    if config.get("quantization_config"):
        raise SourceError(
            f"{where}: its weights are quantized already; name the model that they were made of,"
            " the harness quantizes it as the ModelSpec says"
        )


def config_of_spec(model: ModelSpec) -> dict[str, Any]:
    """Return the keys of config.json that a spec decides."""
    keys = {**KEYS, **model.family.keys}
    values = {key: getattr(model, name) for name, key in keys.items()}
    values |= {"model_type": model.architecture, "head_dim": model.head_size}
    if model.layout is None:
        return values
    named = {part.takes for part in model.layout.parts} | {
        part.gives for part in model.layout.parts
    }
    if model.head_dim is None and "queries" not in named:
        del values["head_dim"]  # a family may count heads without having the key
    return values | in_every_block(model.layout.switches, model.layers)


def model_name(hub_id: str) -> str:
    """Return a component name of a hub id: `Qwen/Qwen3-0.6B` -> `qwen3-0.6b`."""
    last = hub_id.rstrip("/").rsplit("/", 1)[-1].lower()
    return re.sub(r"[^a-z0-9._-]", "-", last).strip("._-") or "model"


def _checked(value: Any, key: str, name: str, where: str) -> int | bool:
    if name in ("tied_embeddings", "attention_bias", "mlp_bias"):
        if isinstance(value, bool):
            return value
        raise SourceError(f"{where}: {key} is {str(value)[:40]!r}; expected true or false")
    most = MOST_LAYERS if name == "layers" else LARGEST_SIZE
    if type(value) is not int or not 0 < value <= most:
        found = "missing" if value is None else f"{str(value)[:40]!r}"
        raise SourceError(f"{where}: {key} is {found}; expected a whole number from 1 to {most:,}")
    return value


def is_of_several(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of a model that holds others, for text and for images."""
    return "text_config" in config or "vision_config" in config


def _hint(config: Mapping[str, Any]) -> str:
    if not is_of_several(config):
        return ""
    inner = config.get("text_config")
    kind = inner.get("model_type") if isinstance(inner, Mapping) else None
    around = f" around a {str(kind)[:40]}" if isinstance(kind, str) else ""
    return f"; it is a model of text and images{around}"
