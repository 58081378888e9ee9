"""`--set key=value`: the options parsed, and put into a recipe and its model."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from harness.boards.open_division import OpenRules
from harness.components import ModelSpec
from harness.document import Document, canonical_json
from harness.document.document import problems
from harness.document.plain_values import why_not_plain
from harness.errors import UsageError
from harness.planning.settings.keys import (
    OPEN_KEYS,
    meant_by,
    open_path,
    recipe_path,
    static_value,
)
from harness.recipe import COMPONENT, MODEL, Recipe

K = TypeVar("K", bound=Document)

FIELDS = "model_fields."
"""What the paths of a model's own fields begin with."""

NAMES = {"model": MODEL, "peft.name": COMPONENT, "strategy.name": COMPONENT}
"""Path whose value is a name -> what such a name looks like."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Parsed `--set` options."""

    values: dict[str, Any]
    """Dotted path in the recipe (`train.rounds`, `peft.params.r`) -> value."""
    static: tuple[tuple[str, str], ...]
    """`(option text, the challenge's fixed value that it aims at)`."""
    rules: dict[str, Any] = field(default_factory=dict)
    """Path in `OpenRules` -> value, of those options that the open division allows."""
    typed: dict[str, str] = field(default_factory=dict)
    """Path of either -> the text that its value was made of."""

    def of(self, part: str) -> dict[str, str]:
        """Return the parameters of `part`, peft or strategy, that are set -> `peft.r=8`."""
        prefix = f"{part}.params."
        return {
            path.removeprefix(prefix).partition(".")[0]: f"{_shown(path)}={text}"
            for path, text in self.typed.items()
            if path.startswith(prefix)
        }


def parse_overrides(options: Iterable[str]) -> Overrides:
    """Sort `--set` options into changes of the recipe and attempts on the challenge.

    Raises:
        UsageError: no `=`, a key twice, a key that is in neither, or a value that no setting takes.
    """
    values: dict[str, Any] = {}
    static: list[tuple[str, str]] = []
    rules: dict[str, Any] = {}
    typed: dict[str, str] = {}
    for option in options:
        key, equals, text = option.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise UsageError(f"--set {option[:60]!r}: expected KEY=VALUE, as in --set rounds=3")
        if aim := static_value(key):
            static.append((option, aim))
            if aim in OPEN_KEYS:
                rules[open_path(key, aim)] = parse_value(text.strip())
                typed[open_path(key, aim)] = text.strip()
            continue
        path = recipe_path(meant_by(key) or key)
        if path in values:
            raise UsageError(f"--set {key}: given twice; keep one")
        value = parse_value(text.strip())
        if problem := why_not_plain(value):
            raise UsageError(f"--set {key}={text.strip()[:60]}: {problem}; change the value")
        if path in NAMES and not (isinstance(value, str) and re.fullmatch(NAMES[path], value)):
            hub = "organisation/model of the hub, " if path == "model" else ""
            raise UsageError(
                f"--set {key}={text.strip()[:60]}: expected {hub}plugin/component, or the name of a"
                " component of the recipe's own plugin"
            )
        values[path], typed[path] = value, text.strip()
    return Overrides(values, tuple(static), rules, typed)


BARE_LIST = re.compile(r"[\[(][ ]*[\w./-]+(?:[ ]*,[ ]*[\w./-]+)*[ ]*,?[ ]*[\])]")
"""A list as people write it, without quotes: `[q_proj, v_proj]`, `(q_proj, v_proj)`."""


PYTHON_WORD = re.compile(
    r""""[^"]*"|'[^']*'"""
    r"|(?P<truth>\b(?:True|False|TRUE|FALSE)\b)"
    r"|(?<![\w.])(?P<number>[+-]?(?:\d+\.(?!\d)|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"
)
"""A quoted text, which stays, or what Python has and TOML writes otherwise: `False`, `.5`, `1.`."""


def parse_value(text: str) -> Any:
    """Return a TOML value (`3`, `1e-4`, `["a"]`), one as people write it, or the text.

    A list may have bare words, in brackets or parentheses, or quoted texts and no brackets; truth
    and numbers may be Python's: as a text, `False` would be true to whoever asks.
    """
    try:
        # In a list on one line, so that neither a comment nor a second line is taken for TOML.
        found = tomllib.loads(f"value = [{PYTHON_WORD.sub(_as_toml, text)}]")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        bare = BARE_LIST.fullmatch(text)
        return [word for word in re.split(r"[\[\](), ]+", text) if word] if bare else text
    items = found.pop("value")
    if not found and len(items) > 1 and all(isinstance(item, str) for item in items):
        return items
    return text if found or len(items) != 1 or text.endswith(",") else items[0]


def _as_toml(word: re.Match[str]) -> str:
    if word["truth"]:
        return word["truth"].lower()
    return repr(float(word["number"])) if word["number"] else word[0]


Takes = Callable[[str, str], type[Document]]
"""(`peft` or `strategy`, a component's name) -> the document of its parameters"""


def apply_to_recipe(
    recipe: Recipe, overrides: Overrides, takes: Takes
) -> tuple[Recipe, tuple[str, ...]]:
    """Return `recipe` with the changes in `train`, `peft`, `strategy` and `model`.

    Another PEFT method or strategy keeps the parameters that it has in common with the recipe's
    own, and starts from its defaults for the rest. The title says what was put in place of what.

    Args:
        recipe: as its plugin or file has it.
        overrides: what is set.
        takes: asked for the parameters of a component that is put in.

    Returns:
        The recipe, and what of the old component's parameters the new one has no use for.

    Raises:
        UsageError: a value of the wrong type or out of range; the key is named.
    """
    values, tree = overrides.values, recipe.model_dump(mode="json")
    left: list[str] = []
    changed = []
    for part in ("peft", "strategy"):
        old, new = tree[part]["name"], values.get(f"{part}.name", tree[part]["name"])
        if new != old:
            kept, lost = _in_common(tree[part]["params"], takes(part, new))
            tree[part]["params"] = kept
            left += [f"{key}={value} of {old}" for key, value in lost.items()]
            changed.append(f"{new} in place of {old}")
    if values.get("model", tree["model"]) != tree["model"]:
        old = tree["model"] if isinstance(tree["model"], str) else tree["model"]["name"]
        changed.append(f"{values['model']} in place of {old}")
    if changed:
        tree["title"] = f"{recipe.title}, but {', '.join(changed)}"
    for path, value in values.items():
        if not path.startswith(FIELDS):
            _put(tree, path, value)
    return _strictly(Recipe, tree, overrides.typed), tuple(left)


def _in_common(
    params: dict[str, Any], kind: type[Document]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split parameters of one component into those that another takes as they are, and the rest."""
    kept: dict[str, Any] = {}
    for key, value in params.items():
        try:
            kind.model_validate_json(canonical_json({**kept, key: value}), strict=True)
        except ValidationError as error:
            if any(key in item["loc"] for item in error.errors()):
                continue
        except Exception:  # a plugin's own validator, which says why where it counts
            continue
        kept[key] = value
    return kept, {key: value for key, value in params.items() if key not in kept}


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    node: Any = tree
    *parents, leaf = path.split(".")
    for index, name in enumerate(parents):
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            shown = _shown(".".join(parents[: index + 1]))
            raise UsageError(f"--set {_shown(path)}: {shown} is a value and has no part {leaf!r}")
    node[leaf] = value


def apply_to_rules(recipe: Recipe, overrides: Overrides) -> OpenRules:
    """Return what an open run changes: what its recipe says, with the changes of the command line.

    Another kind of partitioner drops the arguments of the recipe's.

    Args:
        recipe: of the open division, by its own word or by `--division open`.
        overrides: what is set.

    Raises:
        UsageError: a value of the wrong type or out of range; the key is named.
    """
    values, tree = overrides.rules, recipe.open.model_dump(mode="json")
    if "partitioner.kind" in values:
        tree.pop("partitioner", None)
    for path, value in values.items():
        _put(tree, path, value)
    return _strictly(OpenRules, tree, overrides.typed)


def apply_to_model(model: ModelSpec, overrides: Overrides) -> ModelSpec:
    """Return `model` with the changes of `model.<field>` keys. Raises UsageError as above."""
    fields = {
        path.removeprefix(FIELDS): value
        for path, value in overrides.values.items()
        if path.startswith(FIELDS)
    }
    tree = model.model_dump(mode="json") | fields
    return _strictly(ModelSpec, tree, overrides.typed, "model.") if fields else model


def _strictly(kind: type[K], tree: dict[str, Any], typed: Mapping[str, str], prefix: str = "") -> K:
    """Validate as JSON in strict mode: `rounds=true` or `rounds="3"` is not a number."""
    try:
        return kind.model_validate_json(canonical_json(tree), strict=True)
    except ValidationError as error:
        first = problems(error)[0]
        path = ".".join(str(part) for part in first.loc)
        text = typed.get((FIELDS if prefix else "") + path)
        if first.kind == "string_type" and text is not None and text != first.found:
            _put(tree, path, text)  # a text may look like a number, `prompt.system=10`
            return _strictly(kind, tree, typed, prefix)
        key = prefix + _shown(path)
        if first.kind == "missing":
            raise UsageError(f"--set {key}=... is missing beside what is set; add it") from None
        text = json.dumps(first.found, default=str) if text is None else text
        raise UsageError(f"--set {key}={text[:60]}: {first.said}; change the value") from None


def _shown(path: str) -> str:
    """A path as it is typed."""
    return path.removeprefix("train.").replace(".params.", ".").removesuffix(".name")
