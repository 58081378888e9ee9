"""One plugin imported and held to what the hooks promise."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

import pluggy
from pydantic import ValidationError

from harness import hookspecs
from harness.components import ModelSpec, PeftMethod, StrategyMethod
from harness.document import explain
from harness.errors import PluginError, did_you_mean
from harness.plugins.discovery import ENTRY_POINT_GROUP, discover, reference
from harness.recipe import NAME, Recipe
from harness.spec import PluginRef

HOOK_PREFIX = "harness_"
T = TypeVar("T", ModelSpec, PeftMethod, StrategyMethod, Recipe)


@dataclass(frozen=True, slots=True)
class Loaded:
    """An imported and checked plugin: its components and recipes by name."""

    ref: PluginRef
    models: Mapping[str, ModelSpec]
    peft_methods: Mapping[str, PeftMethod]
    strategies: Mapping[str, StrategyMethod]
    recipes: Mapping[str, Recipe]


@cache
def load(name: str) -> Loaded:
    """Import one plugin and check what it contributes.

    Raises:
        PluginError: unknown name, other harness version needed, import failure, misspelled or
            unmarked hook, wrong type or invalid document returned, or a name given twice.
    """
    known = discover()
    if name not in known:
        raise PluginError(f"unknown plugin {name!r}; {did_you_mean(name, known)}")
    info = known[name]
    if info.problem:
        raise PluginError(f"plugin {name!r}: {info.problem}; install versions that agree")
    try:
        module = info.entry_point.load()
    except Exception as error:  # a plugin may raise anything at import; the culprit is named
        kind = type(error).__name__
        raise PluginError(
            f"plugin {name!r} ({info.distribution} {info.version}) fails to import"
            f" {info.module}: {kind}: {error}; fix or uninstall it"
        ) from error
    return collect(name, module, reference(info))


def collect(name: str, module: ModuleType, ref: PluginRef) -> Loaded:
    """Call the hooks of an imported plugin module and check the answers; see `load`."""
    manager = pluggy.PluginManager(ENTRY_POINT_GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        wrong = str(error).replace("\n", " ")
        raise PluginError(f"plugin {name!r}: {wrong}; hooks are {_hook_names()}") from error
    _refuse_unmarked(name, module, manager)

    def gather(hook: str, kind: type[T]) -> dict[str, T]:
        return _gather(name, hook, kind, getattr(manager.hook, hook))

    return Loaded(
        ref=ref,
        models=gather("harness_models", ModelSpec),
        peft_methods=gather("harness_peft_methods", PeftMethod),
        strategies=gather("harness_strategies", StrategyMethod),
        recipes=gather("harness_recipes", Recipe),
    )


def _hook_names() -> str:
    return ", ".join(sorted(item for item in vars(hookspecs) if item.startswith(HOOK_PREFIX)))


def _refuse_unmarked(name: str, module: ModuleType, manager: pluggy.PluginManager) -> None:
    """A `harness_...` function without the marker would be ignored in silence."""
    marked = {caller.name for caller in manager.get_hookcallers(module) or ()}
    for attribute, value in vars(module).items():
        if attribute.startswith(HOOK_PREFIX) and callable(value) and attribute not in marked:
            raise PluginError(
                f"plugin {name!r}: {attribute} has no @harness.hookimpl, so it would be ignored;"
                f" mark it or rename it; hooks are {_hook_names()}"
            )


def _gather(name: str, hook: str, kind: type[T], call: Callable[[], list[Any]]) -> dict[str, T]:
    try:
        answers = call()
    except ValidationError as error:
        raise PluginError(f"plugin {name!r}: {hook}: {explain(error)}") from error
    except Exception as error:  # a plugin's hook may raise anything; the culprit is named
        raise PluginError(
            f"plugin {name!r}: {hook} raised {type(error).__name__}: {error}; fix the plugin"
        ) from error
    found: dict[str, T] = {}
    for answer in answers:
        # A pydantic document is iterable, over its fields: not what is meant.
        if isinstance(answer, str | kind) or not hasattr(answer, "__iter__"):
            raise PluginError(
                f"plugin {name!r}: {hook} returned {type(answer).__name__};"
                f" expected a list of {kind.__name__}"
            )
        for item in answer:
            if not isinstance(item, kind):
                raise PluginError(
                    f"plugin {name!r}: {hook} returned an item of type {type(item).__name__};"
                    f" expected {kind.__name__}"
                )
            if item.name in found:
                raise PluginError(f"plugin {name!r}: {hook} returned {item.name!r} twice")
            _check_name(name, hook, item.name)
            found[item.name] = item
    return found


def _check_name(plugin: str, hook: str, name: str) -> None:
    if not re.match(NAME, name):
        raise PluginError(
            f"plugin {plugin!r}: {hook} returned the name {name!r};"
            " expected lower-case letters, digits, dot, underscore, hyphen"
        )
