"""What a plugin's hooks may answer with: named components of the right kind, each once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import pluggy
from pydantic import ValidationError

from harness.components import (
    EXTENSION_KINDS,
    ClientRanks,
    ClientRows,
    Extension,
    LocalLoop,
    LocalOptimizer,
    Loss,
    PeftMethod,
    StrategyMethod,
)
from harness.document import Document, canonical_json, explain
from harness.document.plain_values import why_not_plain
from harness.errors import PluginError
from harness.plugins import places
from harness.plugins.guard import calling_plugin, cause
from harness.plugins.long_calls import telling_while_long
from harness.recipe import NAME

MOST_ANSWERS = 1_000
"""Components of one kind that one plugin may offer; a generator without an end offers more."""

MOST_PASSES = 16
"""Gradients that a local loop may ask for before a step."""


EXTENSIONS = tuple(EXTENSION_KINDS.values())


def gather_extensions(plugin: str, call: pluggy.HookCaller) -> dict[str, Extension]:
    """Call `harness_extensions` of a plugin and return what it offers, by name; see `gather`.

    Raises:
        PluginError: as `gather`.
    """
    found: dict[str, Extension] = gather(plugin, "harness_extensions", EXTENSIONS, call)
    return found


def gather(plugin: str, hook: str, kind: Any, call: pluggy.HookCaller) -> dict[str, Any]:
    """Call one hook of a plugin and return what it offers, by name.

    Args:
        plugin: entry point name, for messages.
        hook: the hook's name.
        kind: what it must return a list of, or several kinds.
        call: the hook of a manager that holds this plugin alone.

    Raises:
        PluginError: the hook raises, returns something else, or offers one name twice.
    """
    written = [places.at(item.function) for item in call.get_hookimpls()]
    culprit = f"plugin {plugin!r}: {hook}{written[0] if written else ''}"
    try:
        with telling_while_long(culprit), calling_plugin(f"plugin {plugin!r}: {hook}"):
            answers = call()
            if call.get_hookimpls() and not answers:  # pluggy leaves None out
                raise PluginError(f"{culprit} returned None; expected a list of {_named(kind)}")
            items = [item for answer in answers for item in _items(culprit, kind, answer)]
    except PluginError as error:
        if isinstance(error.__cause__, ValidationError):
            wrong = cause(error.__cause__)
            raise PluginError(f"plugin {plugin!r}: {hook}: not a {wrong}") from error
        raise
    found: dict[str, Any] = {}
    for item in items:
        checked = _checked(culprit, kind, item)
        if checked.name in found:
            raise PluginError(f"{culprit} returned {checked.name!r} twice")
        found[checked.name] = checked
    return found


def _named(kind: Any) -> str:
    return " or ".join(item.__name__ for item in (kind if isinstance(kind, tuple) else (kind,)))


def _items(culprit: str, kind: Any, answer: Any) -> list[Any]:
    # A pydantic document is iterable, over its fields: not what is meant.
    if isinstance(answer, (str, *(kind if isinstance(kind, tuple) else (kind,)))) or not hasattr(
        answer, "__iter__"
    ):
        close = getattr(answer, "close", None)
        if callable(close):  # a coroutine that is never awaited would add warnings of its own
            close()
        raise PluginError(
            f"{culprit} returned {type(answer).__name__}; expected a list of {_named(kind)}"
        )
    items = list(islice(answer, MOST_ANSWERS + 1))
    if len(items) > MOST_ANSWERS:
        raise PluginError(f"{culprit} returned more than {MOST_ANSWERS} items; expected fewer")
    return items


def _checked(culprit: str, kind: Any, item: Any) -> Any:
    # A sub-class of a document would lose what it adds on the way to another process.
    if type(item) not in (kind if isinstance(kind, tuple) else (kind,)):
        raise PluginError(
            f"{culprit} returned an item of type {type(item).__name__}; expected {_named(kind)}"
        )
    if not isinstance(item.name, str) or not re.fullmatch(NAME, item.name):
        raise PluginError(
            f"{culprit} returned the name {item.name!r};"
            " expected lower-case letters, digits, dot, underscore, hyphen"
        )
    checked = item
    if isinstance(item, Document):
        checked = _as_sent(culprit, kind, item)
    elif problem := _wrong_field(item):
        raise PluginError(f"{culprit}: {item.name}: {problem}")
    return checked


def _as_sent(culprit: str, kind: Any, item: Any) -> Any:
    """Validate a document once more, as another process will read it."""
    try:
        values = item.model_dump(warnings=False)
        if problem := why_not_plain(values):
            raise PluginError(f"{culprit}: {item.name}: {problem}; use plain values")
        return kind.model_validate_json(canonical_json(values))
    except ValidationError as error:
        raise PluginError(f"{culprit}: {item.name}: {explain(error)}") from error


def _wrong_field(item: PeftMethod | StrategyMethod | Extension) -> str | None:
    """Say which field of a component that holds code cannot be what it is for."""
    if not (isinstance(item.params, type) and issubclass(item.params, Document)):
        return f"params is {item.params!r:.60}; expected a sub-class of harness.document.Document"
    required, optional = CALLABLES[type(item)]
    for name in (*required, *optional):
        value = getattr(item, name)
        if not (callable(value) or (value is None and name in optional)):
            return f"{name} is {value!r:.60}; expected a function"
    if isinstance(item, StrategyMethod):
        laws = item.broken_laws
        if not (isinstance(laws, Mapping) and all(isinstance(why, str) for why in laws.values())):
            return "broken_laws is not a mapping of laws to the reasons why they are not kept"
        if item.averages not in ("tensor", "product"):
            return f"averages is {item.averages!r}; expected 'tensor' or 'product'"
    if isinstance(item, ClientRows) and item.rewrite is None and item.order is None:
        return "it has neither rewrite nor order; expected one of them"
    if isinstance(item, LocalLoop) and (
        type(item.gradients_per_step) is not int or not 1 <= item.gradients_per_step <= MOST_PASSES
    ):
        return f"gradients_per_step is {item.gradients_per_step!r:.60}; expected 1 to {MOST_PASSES}"
    return None


CALLABLES: Mapping[type, tuple[tuple[str, ...], tuple[str, ...]]] = {
    PeftMethod: (("configure", "shapes", "frozen"), ()),
    StrategyMethod: (
        ("build", "supports", "supports_training", "supports_clients"),
        ("local_objective", "round_plan"),
    ),
    Loss: (("loss",), ()),
    LocalOptimizer: (("build",), ()),
    ClientRows: ((), ("rewrite", "order")),
    ClientRanks: (("rank",), ()),
    LocalLoop: (("run",), ()),
}
"""Fields that must be functions, and those that may be None as well."""
