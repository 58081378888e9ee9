"""One plugin imported and held to what the hooks promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType

import pluggy

from harness.components import Extension, ModelSpec, PeftMethod, StrategyMethod
from harness.errors import PluginError, did_you_mean
from harness.plugins import hookspecs, places
from harness.plugins.answers import gather, gather_extensions
from harness.plugins.content import refuse_other_byte_code
from harness.plugins.discovery import ENTRY_POINT_GROUP, discover, reference, refuse_unknown
from harness.plugins.guard import calling_plugin
from harness.plugins.long_calls import telling_while_long
from harness.recipe import Recipe
from harness.spec import PluginRef

HOOK_PREFIX = "harness_"
HOOKS = tuple(sorted(item for item in vars(hookspecs) if item.startswith(HOOK_PREFIX)))


@dataclass(frozen=True, slots=True)
class Loaded:
    """An imported and checked plugin: its components and recipes by name."""

    ref: PluginRef
    models: Mapping[str, ModelSpec]
    peft_methods: Mapping[str, PeftMethod]
    strategies: Mapping[str, StrategyMethod]
    recipes: Mapping[str, Recipe]
    extensions: Mapping[str, Extension] = field(default_factory=dict)


@cache
def load(name: str) -> Loaded:
    """Import one plugin and check what it contributes.

    It is kept for the life of the process, since Python imports a module once as well: a plugin
    that is installed anew is seen by the next process.

    Raises:
        PluginError: unknown name, other harness version needed, import failure, misspelled or
            unmarked hook, wrong type or invalid document returned, or a name given twice.
    """
    known = discover()
    refuse_unknown(name, known)
    info = known[name]
    if info.problem:
        raise PluginError(f"plugin {name!r}: {info.problem}")
    culprit = f"plugin {name!r} ({info.distribution} {info.version}): import of {info.module}"
    refuse_other_byte_code(info.top_module, name, info.entry_point.dist)
    with telling_while_long(culprit), calling_plugin(culprit, "fix or uninstall it"):
        module = info.entry_point.load()
    return collect(name, module, reference(info))


def collect(name: str, module: ModuleType, ref: PluginRef) -> Loaded:
    """Call the hooks of an imported plugin module and check the answers.

    Args:
        name: entry point name.
        module: the imported module, or any object with hooks.
        ref: what the record will say of the plugin.

    Raises:
        PluginError: a hook is misspelled or unmarked, takes an argument, or answers with what
            `gather` refuses.
    """
    _refuse_unknown(name, module)
    manager = pluggy.PluginManager(ENTRY_POINT_GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        wrong = " ".join(str(error).split())
        place = places.at(next((getattr(module, item) for item in HOOKS if item in wrong), None))
        raise PluginError(f"plugin {name!r}: {wrong}{place}; a hook takes no argument") from error
    _refuse_unmarked(name, module, manager)
    hook = manager.hook
    return Loaded(
        ref=ref,
        models=gather(name, "harness_models", ModelSpec, hook.harness_models),
        peft_methods=gather(name, "harness_peft_methods", PeftMethod, hook.harness_peft_methods),
        strategies=gather(name, "harness_strategies", StrategyMethod, hook.harness_strategies),
        recipes=gather(name, "harness_recipes", Recipe, hook.harness_recipes),
        extensions=gather_extensions(name, hook.harness_extensions),
    )


def _refuse_unknown(name: str, module: ModuleType) -> None:
    for attribute in dir(module):
        unknown = attribute.startswith(HOOK_PREFIX) and attribute not in HOOKS
        if unknown and callable(getattr(module, attribute, None)):
            raise PluginError(
                f"plugin {name!r}: unknown hook {attribute!r}"
                f"{places.at(getattr(module, attribute))};"
                f" {did_you_mean(attribute, HOOKS)}"
            )


def _refuse_unmarked(name: str, module: ModuleType, manager: pluggy.PluginManager) -> None:
    """A hook without the marker would be ignored in silence."""
    marked = {caller.name for caller in manager.get_hookcallers(module) or ()}
    for hook in HOOKS:
        if callable(getattr(module, hook, None)) and hook not in marked:
            raise PluginError(
                f"plugin {name!r}: {hook}{places.at(getattr(module, hook))} has no"
                " @harness.hookimpl, so it would be ignored; mark it or rename it"
            )
