"""A model small enough to be made on the spot, and parameters to try a component with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.components import ModelSpec, PeftMethod, Shapes, StrategyMethod
from harness.document import Document
from harness.errors import PluginError
from harness.plugins import Loaded, validated_params
from harness.recipe import Choice
from harness.verify.independent.adapter_shapes import known_shapes

TINY = ModelSpec(
    name="tiny", hub_id="none/tiny", layers=2, hidden=32, intermediate=48, heads=4, kv_heads=2,
    vocab=96, quantization="none", dtype="float32",
)  # fmt: skip
"""A Llama of 20,000 weights."""

SMALL_RANK = 4
"""Rank of a sample, where a method has one named `r`: no tensor of TINY is smaller."""

LORA = "standard/lora"
LORA_PARAMS: dict[str, Any] = {"r": SMALL_RANK, "alpha": 8, "target_modules": ("q_proj", "v_proj")}
"""What most strategies accept; written out, so that no plugin but the tested one is needed."""


LORA_METHODS = (LORA, "standard/pissa")
"""PEFT methods that strategies of factors are tried with, the first that one supports."""


def lora_shapes() -> Shapes:
    """Return the tensors of LORA_PARAMS on TINY: A (4, 32), B (32 or 16, 4)."""
    shapes = known_shapes(LORA, TINY, LORA_PARAMS, LORA_PARAMS["target_modules"], SMALL_RANK)
    assert shapes is not None
    return shapes


def sample_params(component: PeftMethod | StrategyMethod, plugin: Loaded) -> list[Document]:
    """Return parameters to try a component with: its defaults, else those of the plugin's recipes.

    Raises:
        PluginError: neither gives any, or what a recipe gives is not valid.
    """
    kind = component.params
    peft = isinstance(component, PeftMethod)
    small = {"r": SMALL_RANK} if peft and "r" in kind.model_fields else {}
    found: list[Document] = []
    reason = "no recipe of this plugin uses it"
    try:
        found.append(_validated(component, small))
    except PluginError as error:
        reason = str(error)
    for name, params in _choices(plugin, peft):
        if name == component.name and not found:
            found.append(_validated(component, {**params, **small}))
    if not found:
        raise PluginError(
            f"its parameters cannot all be left out ({reason}); give them defaults, or a recipe"
            " that uses it"
        )
    return found


def sample_extension_params(kind: str, item: Any, plugin: Loaded) -> Document:
    """Return parameters to try an extension with: its defaults, else those of a recipe.

    Args:
        kind: field of a recipe's `extensions`.
        item: the component.
        plugin: whose it is.

    Raises:
        PluginError: neither gives any, or what a recipe gives is not valid.
    """
    try:
        return _validated(item, {})
    except PluginError as error:
        reason = str(error)
    for recipe in plugin.recipes.values():
        choice = recipe.extensions.components.get(kind)
        owner, _, name = ("", "", "") if choice is None else choice.name.rpartition("/")
        if choice is not None and name == item.name and owner in ("", plugin.ref.name):
            return _validated(item, choice.params)
    raise PluginError(
        f"its parameters cannot all be left out ({reason}); give them defaults, or a recipe that"
        " uses it"
    )


def _validated(component: Any, params: dict[str, Any]) -> Document:
    choice = Choice(name=component.name, params=params)
    return validated_params(component.params, choice, "parameters")


def _choices(plugin: Loaded, peft: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for recipe in plugin.recipes.values():
        choice = recipe.peft if peft else recipe.strategy
        owner, _, name = choice.name.rpartition("/")
        if owner in ("", plugin.ref.name):
            yield name, choice.params
