"""Components by name, and the code that a spec names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar, get_origin

from pydantic import ValidationError

from harness.components import EXTENSION_KINDS, ModelSpec, PeftMethod, StrategyMethod
from harness.document import Document, canonical_json, explain
from harness.document.document import problems
from harness.document.plain_values import why_not_plain
from harness.errors import PluginError, UsageError, did_you_mean
from harness.plugins.discovery import discover, reference, refuse_unknown
from harness.plugins.guard import calling_plugin
from harness.plugins.loading import Loaded, load
from harness.recipe import Choice, Extensions
from harness.spec import PluginRef, RunSpec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Component(Generic[T]):
    """A component, its qualified name and the plugin that it came from."""

    name: str
    value: T
    plugin: PluginRef


@dataclass(frozen=True, slots=True)
class Bound:
    """An extension with its parameters."""

    name: str
    """Qualified, for messages."""
    value: Any
    """The component, of the kind that its place says."""
    params: Document


@dataclass(frozen=True, slots=True)
class Components:
    """The code that a spec names, with its parameters as documents."""

    method: PeftMethod
    strategy: StrategyMethod
    peft_params: Document
    strategy_params: Document
    extensions: Mapping[str, Bound] = field(default_factory=dict)
    """By kind, as a recipe's `extensions` has them."""


def find_model(name: str, own: str) -> Component[ModelSpec]:
    """Return a model by component name.

    Args:
        name: `plugin/model`, or a bare name, which is looked up in `own`.
        own: entry point name of the recipe's plugin.

    Raises:
        PluginError: the plugin or the model is unknown.
    """
    return _find(name, own, "model", lambda plugin: plugin.models)


def find_peft_method(name: str, own: str) -> Component[PeftMethod]:
    """Return a PEFT method by component name; arguments and errors are those of `find_model`."""
    return _find(name, own, "PEFT method", lambda plugin: plugin.peft_methods)


def find_strategy(name: str, own: str) -> Component[StrategyMethod]:
    """Return a strategy by component name; arguments and errors are those of `find_model`."""
    return _find(name, own, "strategy", lambda plugin: plugin.strategies)


def find_extension(kind: str, name: str, own: str) -> Component[Any]:
    """Return an extension by component name.

    Args:
        kind: field of a recipe's `extensions` that names it.
        name: as for `find_model`.
        own: as for `find_model`.

    Raises:
        PluginError: the plugin or the extension is unknown, or it is of another kind.
    """
    return _find(
        name, own, kind,
        lambda plugin: {
            key: item
            for key, item in plugin.extensions.items()
            if type(item) is EXTENSION_KINDS[kind]
        },
    )  # fmt: skip


def _find(
    name: str, own: str, kind: str, table: Callable[[Loaded], Mapping[str, Any]]
) -> Component[Any]:
    """Find `plugin/component`; a bare name is the plugin `own`'s.

    Raises:
        PluginError: the plugin or the component is unknown.
    """
    plugin_name, _, component = name.rpartition("/")
    plugin_name = plugin_name or own
    loaded = load(plugin_name)
    items = table(loaded)
    if component not in items:
        known = [*items] if "/" in name else [*items, *_of_others(own, table)]
        hint = did_you_mean(component, known)
        raise PluginError(f"plugin {plugin_name!r} has no {kind} {component!r}; {hint}")
    return Component(f"{plugin_name}/{component}", items[component], loaded.ref)


def _of_others(own: str, table: Callable[[Loaded], Mapping[str, Any]]) -> Iterator[str]:
    """Yield the qualified names of the components of every plugin but `own`."""
    for plugin in discover():
        if plugin != own:
            with suppress(PluginError):  # a broken plugin has nothing to suggest
                yield from (f"{plugin}/{component}" for component in table(load(plugin)))


def validated_params(
    kind: type[Document],
    choice: Choice,
    culprit: str,
    changed: Mapping[str, str] = MappingProxyType({}),
    place: Callable[[str], str] = lambda key: "",
) -> Document:
    """Validate a recipe's parameters by the component's own document, as strictly as JSON is.

    Args:
        kind: the component's document.
        choice: the component's name and what the recipe gives.
        culprit: whose parameters they are, for messages.
        changed: keys that the command line has set -> the option, `peft.r=8`.
        place: a key -> where the recipe's author gives it, as ` (file:line)`.

    Raises:
        PluginError: a key is unknown or missing, or a value (a default maybe) is of the wrong type
            or is none that another process would get as it is.
        UsageError: the same is true of a key that the command line has set.
    """
    where = f"{culprit}: {choice.name}"
    for key in choice.params:
        if key not in kind.model_fields:
            known = did_you_mean(key, kind.model_fields)
            if key in changed:
                option = changed[key][:60]
                raise UsageError(f"--set {option}: {choice.name} has no such parameter; {known}")
            raise PluginError(f"{where} has no parameter {key!r}{place(key)}; {known}")
    try:
        with calling_plugin(f"{where}: its parameters"):
            given = _as_typed(kind, choice.params, changed)
            params = kind.model_validate_json(canonical_json(given), strict=True)
            values = params.model_dump(warnings=False)
            problem = why_not_plain(values)
            if not problem:  # pydantic takes a default as it is; the next process will not
                kind.model_validate_json(canonical_json(values), strict=True)
    except PluginError as error:
        if isinstance(wrong := error.__cause__, ValidationError):
            first = problems(wrong)[0]
            key = str(first.loc[0]) if first.loc else ""
            if key in changed:
                said = f"--set {changed[key][:60]}: {first.said}; change the value"
                raise UsageError(said) from error
            raise PluginError(f"{where}: {explain(wrong)}{place(key) if key else ''}") from error
        raise
    if problem:
        raise PluginError(f"{where}: {problem}; parameters are plain values")
    return params


def _as_typed(
    kind: type[Document], params: Mapping[str, Any], changed: Mapping[str, str]
) -> dict[str, Any]:
    """Return parameters in which a list that was typed as `q_proj,v_proj` is one, and `10` a text
    where a text is expected."""
    given = dict(params)
    for key in params.keys() & changed.keys():
        value, expected = params[key], kind.model_fields[key].annotation
        if expected is str:
            given[key] = value if isinstance(value, str) else changed[key].partition("=")[2]
        elif get_origin(expected) in (tuple, list) and isinstance(value, str):
            given[key] = [word.strip() for word in value.split(",") if word.strip()]
        elif get_origin(expected) in (tuple, list) and not isinstance(value, list):
            given[key] = [value]
    return given


def refuse_other_plugins(refs: Iterable[PluginRef]) -> None:
    """Check that plugins are installed as a spec names them; none is loaded.

    Raises:
        PluginError: one is not there, or is another.
    """
    known = discover()
    for ref in refs:
        refuse_unknown(ref.name, known)
        here = reference(known[ref.name])
        if here.digest != ref.digest or here.version != ref.version:
            raise PluginError(
                f"plugin {ref.name!r} is {here.version} ({here.digest[:12]}) here, the run was"
                f" resolved with {ref.version} ({ref.digest[:12]}); install that version"
            )


def _none(kind: str) -> Mapping[str, str]:
    return {}


def load_components(spec: RunSpec) -> Components:
    """Load, in this process, the code that `spec` needs: the plugins of its components.

    A plugin that gave the recipe or the model is not loaded and need not be installed: both are in
    the spec, as data.

    Raises:
        PluginError: a plugin is not the one that the spec was resolved with, or cannot be loaded.
    """
    refuse_other_plugins(spec.needed_plugins)
    for ref in spec.needed_plugins:
        load(ref.name)
    method = find_peft_method(spec.peft.name, spec.plugin).value
    strategy = find_strategy(spec.strategy.name, spec.plugin).value
    return Components(
        method=method,
        strategy=strategy,
        peft_params=validated_params(method.params, spec.peft, f"recipe {spec.label}"),
        strategy_params=validated_params(strategy.params, spec.strategy, f"recipe {spec.label}"),
        extensions=bound_extensions(spec.extensions, spec.plugin, f"recipe {spec.label}"),
    )


def bound_extensions(
    chosen: Extensions, own: str, culprit: str, changed: Callable[[str], Mapping[str, str]] = _none
) -> dict[str, Bound]:
    """Return the extensions that a recipe names, with their parameters.

    Args:
        chosen: the recipe's.
        own: entry point name of the recipe's plugin.
        culprit: whose parameters they are, for messages.
        changed: says which parameters of a kind the command line has set.

    Raises:
        PluginError: one is unknown, or its parameters are wrong.
        UsageError: what the command line has set is.
    """
    found = {}
    for kind, choice in chosen.components.items():
        item = find_extension(kind, choice.name, own)
        params = validated_params(item.value.params, choice, culprit, changed(kind))
        found[kind] = Bound(item.name, item.value, params)
    return found
