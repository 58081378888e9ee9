"""Resolving: a request on the command line becomes a RunSpec of plain values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from harness.boards.board import default_board
from harness.boards.challenge import Challenge, InstructionSet, load_challenge
from harness.boards.open_division import Division, opened
from harness.components import ModelSpec, RoundPlan, Shapes, StrategyContext
from harness.document import Document, canonical_json, explain
from harness.errors import PluginError, SourceError, did_you_mean
from harness.machine.machine import Machine, this_machine
from harness.planning.component_checks import (
    adapter_shapes,
    objection,
    round_plan,
    travelling_shapes,
)
from harness.planning.devices import choose_compute
from harness.planning.extension_checks import client_ranks, extension_faults
from harness.planning.forecast import Forecast, forecast
from harness.planning.rules import Case, Violation, violations
from harness.planning.settings.overrides import (
    FIELDS,
    Overrides,
    apply_to_model,
    apply_to_recipe,
    apply_to_rules,
    parse_overrides,
)
from harness.planning.settings.targets import with_named_targets
from harness.planning.smoke import smoke_model, smoke_training
from harness.plugins import (
    Bound,
    Components,
    Loaded,
    bound_extensions,
    discover,
    find_model,
    find_peft_method,
    find_strategy,
    load,
    places,
    validated_params,
)
from harness.recipe import FILE_PLUGIN, Choice, Extensions, Prompt, Recipe
from harness.spec import ChallengeRef, PluginRef, RunSpec

DEFAULT_SEED = 2026

HAS_PLACE = re.compile(r"\(\S+\.py:\d+\)")

HubModels = Callable[[str, str], ModelSpec]
"""(hub id, revision) -> the model that its config.json describes; `harness.sources.hub_model`."""


@dataclass(frozen=True, slots=True)
class Request:
    """A run as the command line asks for it."""

    plugin: str
    """`plugin` or `plugin/recipe`; the path of the file where `recipe` is given."""
    recipe: Recipe | None = None
    """A recipe out of a file, in place of a plugin's."""
    challenge: str | None = None
    overrides: tuple[str, ...] = ()
    smoke: bool = False
    seed: int | None = None
    device: str = "auto"
    threads: int | None = None
    evaluation_rows: int | None = None
    division: Division | None = None
    """None: the recipe's."""

    def command(self, spec: RunSpec) -> tuple[str, ...]:
        """Return the command that asks for this run, on a machine of any size.

        Args:
            spec: what the request became: its seed, device and threads are written out.
        """
        named = spec.asked_by if self.recipe is None else (Path(self.plugin).name,)
        words = ["harness", "run", *named]
        if self.challenge is not None:
            words += ["--challenge", self.challenge]
        for override in self.overrides:
            words += ["--set", override]
        if self.smoke:
            words.append("--smoke")
        words += ["--seed", str(spec.seed), "--device", spec.compute.device]
        words += ["--threads", str(spec.compute.threads)]
        if self.evaluation_rows is not None:
            words += ["--limit", str(self.evaluation_rows)]
        if spec.division == "open" or self.division is not None:
            words += ["--division", spec.division]
        return tuple(words)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A spec with everything that was looked up on the way."""

    spec: RunSpec
    recipe: Recipe
    challenge: Challenge
    components: Components
    forecast: Forecast
    violations: tuple[Violation, ...]
    replaced: tuple[str, ...] = ()
    """Values that were set and that a smoke run replaces by its own, as `rounds=7 by 2`."""
    left_behind: tuple[str, ...] = ()
    """What another PEFT method or strategy has no use for: `r=8 of standard/dora`."""


def resolve(
    request: Request, machine: Machine | None = None, hub_models: HubModels | None = None
) -> Resolved:
    """Resolve a request; rules are checked and reported, not raised.

    Args:
        request: plugin, recipe and what changes it.
        machine: where the run would be; None: this machine.
        hub_models: asked where the recipe names a hub id alone; None: such a recipe is refused.

    Raises:
        PluginError: the plugin, the recipe or a component is unknown or broken.
        UsageError: an option cannot be used.
        SourceError: what `hub_models` raises.
    """
    machine = machine or this_machine()
    overrides = parse_overrides(request.overrides)
    plugin, proposed = _proposed(request)
    plugin_name = FILE_PLUGIN if plugin is None else plugin.ref.name
    recipe, left_behind = apply_to_recipe(proposed, overrides.values, partial(_takes, plugin_name))
    challenge = load_challenge(request.challenge or recipe.challenge or default_board())
    rules = None
    if (request.division or recipe.division) == "open":
        rules = apply_to_rules(recipe, overrides.rules)
        challenge = opened(challenge, rules)
    recipe = with_prompt(recipe, challenge)

    written = _written(plugin, recipe, overrides)
    with _blaming(written, "model"):
        chosen, model_plugin = _model(recipe, plugin, overrides, hub_models)
    recipe = recipe.with_values(peft=with_named_targets(recipe.peft, chosen))
    with _blaming(written, "peft", "name"):
        method = find_peft_method(recipe.peft.name, plugin_name)
    with _blaming(written, "strategy", "name"):
        strategy = find_strategy(recipe.strategy.name, plugin_name)
    culprit = f"recipe {plugin_name}/{recipe.name}"
    components = Components(
        method=method.value,
        strategy=strategy.value,
        peft_params=validated_params(
            method.value.params,
            recipe.peft,
            culprit,
            overrides.of("peft"),
            lambda key: written.at("peft", "params", key),
        ),
        strategy_params=validated_params(
            strategy.value.params,
            recipe.strategy,
            culprit,
            overrides.of("strategy"),
            lambda key: written.at("strategy", "params", key),
        ),
        extensions=bound_extensions(
            recipe.extensions, plugin_name, culprit, lambda kind: overrides.of(f"extensions.{kind}")
        ),
    )
    seed = DEFAULT_SEED if request.seed is None else request.seed
    train = smoke_training(recipe.train) if request.smoke else recipe.train
    base = smoke_model(chosen) if request.smoke else chosen
    clients = challenge.clients_per_round(train.fraction)
    spec = RunSpec(
        challenge=ChallengeRef.of(challenge),
        plugin=plugin_name,
        recipe=recipe.name,
        plugins=_distinct(
            None if plugin is None else plugin.ref,
            model_plugin,
            method.plugin,
            strategy.plugin,
            *(load(item.name.partition("/")[0]).ref for item in components.extensions.values()),
        ),
        model=base,
        peft=_complete(method.name, components.peft_params),
        strategy=_complete(strategy.name, components.strategy_params),
        train=train,
        extensions=_completed(recipe.extensions, components.extensions),
        client_ranks=client_ranks(
            components.extensions, getattr(components.peft_params, "r", None), challenge, seed
        ),
        price=None if request.smoke else recipe.price,  # it is another machine's
        seed=seed,
        compute=choose_compute(request.device, request.threads, request.smoke, machine, clients),
        evaluation_rows=request.evaluation_rows,
        smoke=request.smoke,
        open=rules,
    )
    with _blaming(written, "peft", "params", "target_modules"):
        shapes = adapter_shapes(method.name, method.value, base, components.peft_params)
    context = strategy_context(spec, challenge, components, shapes)
    objections = objection(
        strategy.name, strategy.value, components.strategy_params, spec.peft, spec.train
    )
    plans = _round_plans(strategy.name, components, context, refused=objections[0] is not None)
    expected = forecast(spec, challenge, shapes, machine, plans)
    asked = overrides.values.get(f"{FIELDS}trust_remote_code") is True
    odd = tuple(extension_faults(spec, shapes, plans))
    static = overrides.static
    case = Case(spec, recipe, challenge, expected, objections, static, asked, odd, plans)
    replaced = _replaced(overrides, recipe, spec) if request.smoke else ()
    broken = violations(case, written.at)
    return Resolved(spec, recipe, challenge, components, expected, broken, replaced, left_behind)


def _written(plugin: Loaded | None, recipe: Recipe, overrides: Overrides) -> places.Written:
    if plugin is None:
        return places.NOWHERE
    module = discover()[plugin.ref.name].top_module
    return places.Written(module, recipe.name, frozenset(overrides.values))


@contextmanager
def _blaming(written: places.Written, *path: str) -> Iterator[None]:
    """Add to a plugin's error the line that gives a value of the recipe, if it names none yet."""
    try:
        yield
    except PluginError as error:
        if HAS_PLACE.search(str(error)):
            raise
        raise PluginError(f"{error}{written.at(*path)}") from error


def _proposed(request: Request) -> tuple[Loaded | None, Recipe]:
    """Return the recipe that is asked for, and its plugin, which a file has not."""
    if request.recipe is not None:
        return None, request.recipe
    plugin_name, _, recipe_name = request.plugin.partition("/")
    plugin = load(plugin_name)
    return plugin, pick_recipe(plugin, recipe_name)


def _takes(own: str, part: str, name: str) -> type[Document]:
    """Return the document of a component's parameters; `part` is peft or strategy."""
    return (find_peft_method if part == "peft" else find_strategy)(name, own).value.params


def _replaced(overrides: Overrides, recipe: Recipe, smoke: RunSpec) -> tuple[str, ...]:
    """Return what was set for the training or the model and does not hold in a smoke run."""
    found = []
    for path, value in overrides.values.items():
        part, _, name = path.rpartition(".")
        if path == "model" or part + "." == FIELDS:
            found.append(f"{path.removeprefix(FIELDS)}={value} by {smoke.model.name}'s")
        elif part == "train" and getattr(smoke.train, name) != getattr(recipe.train, name):
            found.append(f"{name}={value} by {getattr(smoke.train, name)}")
    return tuple(found)


def _model(
    recipe: Recipe, plugin: Loaded | None, overrides: Overrides, hub_models: HubModels | None
) -> tuple[ModelSpec, PluginRef | None]:
    """Return a recipe's model with what is set of it, and the plugin that names it, if any does."""
    values = dict(overrides.values)
    own = FILE_PLUGIN if plugin is None else plugin.ref.name
    ref = None if plugin is None else plugin.ref
    if isinstance(recipe.model, dict):
        where = f"recipe {own}/{recipe.name}: model"
        try:
            written = ModelSpec.model_validate_json(canonical_json(recipe.model), strict=True)
        except ValidationError as error:
            raise PluginError(f"{where}: {explain(error)}; see: harness model") from None
        return apply_to_model(written, values), ref
    owner, slash, _ = recipe.model.partition("/")
    if not slash or owner in discover():
        found = find_model(recipe.model, own)
        return apply_to_model(found.value, values), found.plugin
    if hub_models is None:
        raise PluginError(
            f"model {recipe.model!r}: no plugin {owner!r} is installed, and hub ids are not looked"
            f" up here; {did_you_mean(owner, discover())}"
        )
    # The revision that is asked for is replaced by the commit that it stands for.
    revision = str(values.pop(f"{FIELDS}revision", "main"))
    try:
        found_model = hub_models(recipe.model, revision)
    except SourceError as error:
        raise SourceError(
            f"{error}; nor is a plugin {owner!r} installed, {did_you_mean(owner, discover())}"
        ) from None
    return apply_to_model(found_model, values), ref


def pick_recipe(plugin: Loaded, name: str) -> Recipe:
    """Return a plugin's recipe by name, or its default for an empty name.

    Raises:
        PluginError: there is no such recipe, no recipe at all, or no single default.
    """
    recipes = plugin.recipes
    if name:
        if name not in recipes:
            raise PluginError(
                f"plugin {plugin.ref.name!r} has no recipe {name!r}; {did_you_mean(name, recipes)}"
            )
        return recipes[name]
    if len(recipes) == 1:
        return next(iter(recipes.values()))
    if not recipes:
        raise PluginError(
            f"plugin {plugin.ref.name!r} has no recipe, only components; see: harness plugins"
        )
    defaults = [item for item in recipes.values() if item.default]
    if len(defaults) != 1:
        raise PluginError(
            f"plugin {plugin.ref.name!r} has {len(recipes)} recipes and {len(defaults)} defaults;"
            f" name one: {', '.join(f'{plugin.ref.name}/{item}' for item in recipes)}"
        )
    return defaults[0]


def with_prompt(recipe: Recipe, challenge: Challenge) -> Recipe:
    """Return a recipe with the prompt of the board that it is run on.

    A recipe for any board that says nothing about the prompt has the finance template's, which asks
    columns that other boards' templates drop; it gets the text that the board's template makes.
    """
    dataset = challenge.dataset
    unsaid = recipe.challenge is None and recipe.train.prompt == Prompt()
    if not unsaid or not isinstance(dataset, InstructionSet):
        return recipe
    train = recipe.train.with_values(prompt=Prompt(template=dataset.template))
    return recipe.with_values(train=train)


def strategy_context(
    spec: RunSpec, challenge: Challenge, components: Components, shapes: Shapes
) -> StrategyContext:
    """Return what a strategy may know of a run.

    Args:
        spec: the run.
        challenge: its challenge.
        components: the components that the spec names.
        shapes: the whole adapter's, as `adapter_shapes` returned them.

    Raises:
        PluginError: see `travelling_shapes`.
    """
    return StrategyContext(
        num_supernodes=challenge.num_supernodes,
        clients_per_round=challenge.clients_per_round(spec.train.fraction),
        fraction=spec.train.fraction,
        rounds=spec.train.rounds,
        seed=spec.seed,
        shapes=travelling_shapes(spec.peft.name, components.method, shapes),
        peft_method=spec.peft.name,
        peft_params=spec.peft.params,
    )


def _round_plans(
    name: str, components: Components, context: StrategyContext, refused: bool
) -> list[RoundPlan]:
    """What each round moves; one shared plan where the strategy declares none.

    A strategy that is not valid for the PEFT method has no plan for its tensors: the rules will say
    why, and the forecast counts the whole adapter.
    """
    strategy, params = components.strategy, components.strategy_params
    if refused:
        shapes = dict(context.shapes)
        return [RoundPlan(shapes, shapes, frozenset(shapes))] * context.rounds
    if strategy.round_plan is None:
        return [round_plan(name, strategy, params, context, 1)] * context.rounds
    rounds = range(1, context.rounds + 1)
    return [round_plan(name, strategy, params, context, number) for number in rounds]


def _completed(chosen: Extensions, bound: Mapping[str, Bound]) -> Extensions:
    """Return a recipe's extensions with their names qualified and their parameters complete."""
    complete = {kind: _complete(item.name, item.params) for kind, item in bound.items()}
    return chosen.model_copy(update=complete)


def _complete(name: str, params: Document) -> Choice:
    return Choice(name=name, params=params.model_dump(mode="json"))


def _distinct(*refs: PluginRef | None) -> tuple[PluginRef, ...]:
    named = {ref.name: ref for ref in refs if ref is not None}
    return tuple(sorted(named.values(), key=lambda ref: ref.name))
