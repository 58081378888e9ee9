"""The hooks that a plugin may implement, each with `@harness.hookimpl`.

Hooks return data and register nothing. They are called once per process, with no arguments, when
the plugin is loaded; none is `firstresult`: two answers for one name are an error, not a race.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from harness.components import Extension, ModelSpec, PeftMethod, StrategyMethod
from harness.recipe import Recipe

hookspec = pluggy.HookspecMarker("flowertune_harness")


@hookspec
def harness_models() -> Iterable[ModelSpec]:
    """Return the base models that this plugin offers to recipes."""
    raise AssertionError("hook specifications are not called")


@hookspec
def harness_peft_methods() -> Iterable[PeftMethod]:
    """Return the PEFT methods that this plugin offers to recipes."""
    raise AssertionError("hook specifications are not called")


@hookspec
def harness_strategies() -> Iterable[StrategyMethod]:
    """Return the federation strategies that this plugin offers to recipes."""
    raise AssertionError("hook specifications are not called")


@hookspec
def harness_extensions() -> Iterable[Extension]:
    """Return the extensions that this plugin offers to recipes: losses, optimizers, loops ..."""
    raise AssertionError("hook specifications are not called")


@hookspec
def harness_recipes() -> Iterable[Recipe]:
    """Return the recipes that `--plugin P/R` can run; one of several must be the default."""
    raise AssertionError("hook specifications are not called")
