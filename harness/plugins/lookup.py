"""Components by name, and the code that a spec names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from harness.components import ModelSpec, PeftMethod, StrategyMethod
from harness.document import Document, explain
from harness.errors import PluginError, did_you_mean
from harness.plugins.loading import Loaded, load
from harness.recipe import Choice
from harness.spec import PluginRef, RunSpec

T = TypeVar("T", ModelSpec, PeftMethod, StrategyMethod)


@dataclass(frozen=True, slots=True)
class Component(Generic[T]):
    """A component, its qualified name and the plugin that it came from."""

    name: str
    value: T
    plugin: PluginRef


@dataclass(frozen=True, slots=True)
class Components:
    """The code that a spec names, with its parameters as documents."""

    method: PeftMethod
    strategy: StrategyMethod
    peft_params: Document
    strategy_params: Document


def find_model(name: str, own: str) -> Component[ModelSpec]:
    """Return a model by component name; see `_find`."""
    return _find(name, own, "model", lambda plugin: plugin.models)


def find_peft_method(name: str, own: str) -> Component[PeftMethod]:
    """Return a PEFT method by component name; see `_find`."""
    return _find(name, own, "PEFT method", lambda plugin: plugin.peft_methods)


def find_strategy(name: str, own: str) -> Component[StrategyMethod]:
    """Return a strategy by component name; see `_find`."""
    return _find(name, own, "strategy", lambda plugin: plugin.strategies)


def _find(
    name: str, own: str, kind: str, table: Callable[[Loaded], Mapping[str, T]]
) -> Component[T]:
    """Find `plugin/component`; a bare name is the plugin `own`'s.

    Raises:
        PluginError: the plugin or the component is unknown.
    """
    plugin_name, _, component = name.rpartition("/")
    plugin_name = plugin_name or own
    loaded = load(plugin_name)
    items = table(loaded)
    if component not in items:
        raise PluginError(
            f"plugin {plugin_name!r} has no {kind} {component!r}; {did_you_mean(component, items)}"
        )
    return Component(f"{plugin_name}/{component}", items[component], loaded.ref)


def validated_params(kind: type[Document], choice: Choice, culprit: str) -> Document:
    """Validate a recipe's parameters by the component's own document.

    Raises:
        PluginError: unknown key (with a suggestion), missing key or wrong type.
    """
    for key in choice.params:
        if key not in kind.model_fields:
            raise PluginError(
                f"{culprit}: {choice.name} has no parameter {key!r};"
                f" {did_you_mean(key, kind.model_fields)}"
            )
    try:
        return kind.model_validate(choice.params)
    except ValidationError as error:
        raise PluginError(f"{culprit}: {choice.name}: {explain(error)}") from error


def load_components(spec: RunSpec) -> Components:
    """Load, in this process, the code that `spec` names.

    Raises:
        PluginError: a plugin is not the one that the spec was resolved with.
    """
    for ref in spec.plugins:
        here = load(ref.name).ref
        if here.digest != ref.digest or here.version != ref.version:
            raise PluginError(
                f"plugin {ref.name!r} is {here.version} ({here.digest[:12]}) here, the run was"
                f" resolved with {ref.version} ({ref.digest[:12]}); install that version"
            )
    method = find_peft_method(spec.peft.name, spec.plugin).value
    strategy = find_strategy(spec.strategy.name, spec.plugin).value
    return Components(
        method=method,
        strategy=strategy,
        peft_params=validated_params(method.params, spec.peft, f"recipe {spec.label}"),
        strategy_params=validated_params(strategy.params, spec.strategy, f"recipe {spec.label}"),
    )
