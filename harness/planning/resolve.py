"""Resolving: a request on the command line becomes a RunSpec of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.boards.board import default_board
from harness.boards.challenge import Challenge, load_challenge
from harness.boards.open_division import Division, OpenRules, opened
from harness.components import ModelSpec
from harness.document import Document
from harness.machine.machine import Machine, this_machine
from harness.planning.asked.model import HubModels, model_of
from harness.planning.asked.recipe import pick_recipe, with_prompt
from harness.planning.component_checks import (
    adapter_shapes,
    objection,
    round_plans,
    strategy_context,
)
from harness.planning.devices import choose_compute
from harness.planning.extension_checks import client_ranks, extension_faults
from harness.planning.forecast import Forecast, forecast
from harness.planning.rules import Case, Violation, violations
from harness.planning.settings.overrides import (
    FIELDS,
    Overrides,
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
    find_peft_method,
    find_strategy,
    load,
    places,
    validated_params,
)
from harness.recipe import FILE_PLUGIN, Choice, Extensions, Recipe
from harness.spec import ChallengeRef, PluginRef, RunSpec

DEFAULT_SEED = 2026


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
    overrides = parse_overrides(request.overrides)
    chosen = _chosen(request, overrides, hub_models)
    machine = machine or this_machine()
    spec, challenge, components = (
        _spec(request, chosen, machine),
        chosen.challenge,
        chosen.components,
    )
    with chosen.written.blamed("peft", "params", "target_modules"):
        shapes = adapter_shapes(
            spec.peft.name, components.method, spec.model, components.peft_params
        )
    context = strategy_context(spec, challenge, components, shapes)
    objections = objection(
        spec.strategy.name, components.strategy, components.strategy_params, spec.peft, spec.train,
        context.clients_per_round,
    )  # fmt: skip
    plans = round_plans(spec.strategy.name, components, context, refused=objections[0] is not None)
    expected = forecast(spec, challenge, shapes, machine, plans)
    case = Case(
        spec, chosen.recipe, challenge, expected, objections, overrides.static,
        overrides.values.get(f"{FIELDS}trust_remote_code") is True,
        tuple(extension_faults(spec, shapes, plans)), plans,
    )  # fmt: skip
    return Resolved(
        spec=spec,
        recipe=chosen.recipe,
        challenge=challenge,
        components=components,
        forecast=expected,
        violations=violations(case, chosen.written.at),
        replaced=_replaced(overrides, chosen.recipe, spec) if request.smoke else (),
        left_behind=chosen.left_behind,
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a request stands for, with everything that it names looked up."""

    recipe: Recipe
    left_behind: tuple[str, ...]
    written: places.Written
    challenge: Challenge
    rules: OpenRules | None
    """What an open run changes of its challenge."""
    model: ModelSpec
    peft: Choice
    """Name qualified and parameters complete, as `strategy`."""
    strategy: Choice
    components: Components
    plugin: str
    plugins: tuple[PluginRef, ...]


def _chosen(request: Request, overrides: Overrides, hub_models: HubModels | None) -> _Chosen:
    plugin, proposed = _proposed(request)
    own = FILE_PLUGIN if plugin is None else plugin.ref.name
    recipe, left_behind = apply_to_recipe(proposed, overrides, partial(_takes, own))
    challenge = load_challenge(request.challenge or recipe.challenge or default_board())
    rules = None
    if (request.division or recipe.division) == "open":
        rules = apply_to_rules(recipe, overrides)
        challenge = opened(challenge, rules)
    recipe = with_prompt(recipe, challenge)

    written = _written(plugin, recipe, overrides)
    with written.blamed("model"):
        model, model_plugin = model_of(recipe, plugin, overrides, hub_models)
    recipe = recipe.with_values(peft=with_named_targets(recipe.peft, model))
    with written.blamed("peft", "name"):
        method = find_peft_method(recipe.peft.name, own)
    with written.blamed("strategy", "name"):
        strategy = find_strategy(recipe.strategy.name, own)

    culprit = f"recipe {own}/{recipe.name}"

    def params(part: str, kind: type[Document], choice: Choice) -> Document:
        place = partial(written.at, part, "params")
        return validated_params(kind, choice, culprit, overrides.of(part), place)

    components = Components(
        method=method.value,
        strategy=strategy.value,
        peft_params=params("peft", method.value.params, recipe.peft),
        strategy_params=params("strategy", strategy.value.params, recipe.strategy),
        extensions=bound_extensions(
            recipe.extensions, own, culprit, lambda kind: overrides.of(f"extensions.{kind}")
        ),
    )
    return _Chosen(
        recipe=recipe,
        left_behind=left_behind,
        written=written,
        challenge=challenge,
        rules=rules,
        model=model,
        peft=_complete(method.name, components.peft_params),
        strategy=_complete(strategy.name, components.strategy_params),
        components=components,
        plugin=own,
        plugins=_distinct(
            None if plugin is None else plugin.ref,
            model_plugin,
            method.plugin,
            strategy.plugin,
            *(load(item.name.partition("/")[0]).ref for item in components.extensions.values()),
        ),
    )


def _spec(request: Request, chosen: _Chosen, machine: Machine) -> RunSpec:
    recipe, challenge, components = chosen.recipe, chosen.challenge, chosen.components
    seed = DEFAULT_SEED if request.seed is None else request.seed
    train = smoke_training(recipe.train) if request.smoke else recipe.train
    clients = challenge.clients_per_round(train.fraction)
    return RunSpec(
        challenge=ChallengeRef.of(challenge),
        plugin=chosen.plugin,
        recipe=recipe.name,
        plugins=chosen.plugins,
        model=smoke_model(chosen.model) if request.smoke else chosen.model,
        peft=chosen.peft,
        strategy=chosen.strategy,
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
        open=chosen.rules,
    )


def _written(plugin: Loaded | None, recipe: Recipe, overrides: Overrides) -> places.Written:
    if plugin is None:
        return places.NOWHERE
    module = discover()[plugin.ref.name].top_module
    return places.Written(module, recipe.name, frozenset(overrides.values))


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


def _completed(chosen: Extensions, bound: Mapping[str, Bound]) -> Extensions:
    """Return a recipe's extensions with their names qualified and their parameters complete."""
    complete = {kind: _complete(item.name, item.params) for kind, item in bound.items()}
    return chosen.model_copy(update=complete)


def _complete(name: str, params: Document) -> Choice:
    return Choice(name=name, params=params.model_dump(mode="json"))


def _distinct(*refs: PluginRef | None) -> tuple[PluginRef, ...]:
    named = {ref.name: ref for ref in refs if ref is not None}
    return tuple(sorted(named.values(), key=lambda ref: ref.name))
