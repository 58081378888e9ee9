"""A request resolved in a child: this process loads no plugin, and checks what it can itself."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from harness.boards.challenge import Challenge
from harness.document import Document, digest_of, parse_document, parse_json
from harness.errors import NowhereError, PluginError
from harness.isolation.plugin_process import Enclosure, ask
from harness.library_internals.ray import ray_folder
from harness.planning.asked.model import HubModels
from harness.planning.forecast import Forecast
from harness.planning.resolve import Request
from harness.planning.rules import Violation
from harness.plugins import refuse_other_plugins
from harness.recipe import FILE_PLUGIN
from harness.record.isolation import Policy
from harness.spec import RunSpec


class Plan(Document):
    """A request as a spec, by value."""

    spec: RunSpec
    forecast: Forecast
    violations: tuple[Violation, ...]
    replaced: tuple[str, ...]
    """Values that were set and that a smoke run replaces by its own."""

    @property
    def challenge(self) -> Challenge:
        """The challenge of the spec, as this process has it."""
        return self.spec.rules()


def plan_apart(request: Request, isolation: Policy, hub_models: HubModels) -> Plan:
    """Resolve a request in a process of its own.

    Args:
        request: plugin, recipe and what changes it.
        isolation: whether that process is held back.
        hub_models: asked, here, where the recipe names a hub id alone.

    Raises:
        PluginError: the plugin, the recipe or a component is unknown or broken; or the process
            answers with another run than was asked for.
        UsageError: an option cannot be used; or isolation is required, and cannot be had.
        SourceError: what `hub_models` raises.
    """
    models: dict[str, Any] = {}
    while True:
        given = json.dumps({"request": _by_value(request), "models": models})
        around = Enclosure(ray_folder("harness-plan-"), isolation)
        plugin = (
            f"plugin {request.plugin.partition('/')[0]}" if request.recipe is None else "plugins"
        )
        answer = ask("harness.planning.apart", given, around, plugins=plugin)
        found = parse_json(answer, "plan")
        if not isinstance(found, dict) or "model" not in found or models:
            break
        hub_id, revision = (str(item) for item in found["model"])
        models[f"{hub_id}@{revision}"] = _model(hub_id, revision, hub_models)
    plan = parse_document(Plan, found, "the plan")
    _check(plan.spec, request)
    return plan


def _by_value(request: Request) -> dict[str, Any]:
    values = {item.name: getattr(request, item.name) for item in fields(request)}
    recipe = None if request.recipe is None else request.recipe.model_dump(mode="json")
    return values | {"recipe": recipe}


def _model(hub_id: str, revision: str, hub_models: HubModels) -> Any:
    try:
        return hub_models(hub_id, revision).model_dump(mode="json")
    except NowhereError as error:
        return str(error)  # the child knows which plugin may have been meant


def _check(spec: RunSpec, request: Request) -> None:
    plugin, _, recipe = request.plugin.partition("/")
    if request.recipe is not None:
        plugin, recipe = FILE_PLUGIN, request.recipe.name
    asked = {
        "plugin": plugin,
        "recipe": recipe or spec.recipe,
        "smoke": request.smoke,
        "seed": spec.seed if request.seed is None else request.seed,
        "evaluation_rows": request.evaluation_rows,
        "division": request.division or spec.division,
    }
    for name, wanted in asked.items():
        if getattr(spec, name) != wanted:
            raise _other(name, getattr(spec, name), wanted)
    challenge = digest_of(spec.rules())
    if spec.challenge.digest != challenge:
        raise _other("challenge", spec.challenge.digest, challenge)
    refuse_other_plugins(spec.plugins)


def _other(name: str, found: object, wanted: object) -> PluginError:
    return PluginError(
        f"the plugin's process answers with {name} {found}, asked for was {wanted}; it changes"
        " what the harness does: run without that plugin"
    )
