"""Checks of one PEFT method, on a Llama or a model of a recipe's own family made on the spot."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from harness.components import ModelSpec, PeftMethod, Shapes
from harness.components.model_config import config_of_spec
from harness.errors import HarnessError
from harness.federation.clientapp.start_in_base import refuse_start_in_base
from harness.federation.rehearsal.rehearse import small_context
from harness.federation.storage.adapter_file import refuse_other_settings
from harness.planning.component_checks import adapter_shapes, round_plan, travelling_shapes
from harness.planning.resolve import Resolved
from harness.planning.smoke import smoke_model
from harness.plugins import Loaded
from harness.plugins.guard import calling_plugin
from harness.plugins.places import at
from harness.recipe import Choice
from harness.testing.problem import Problem
from harness.testing.samples import TINY, sample_params
from harness.training.adapter import Adapter


def check_peft_method(method: PeftMethod, plugin: Loaded) -> Iterator[Problem]:
    """Yield what is wrong with a PEFT method.

    Its forecast is stable and well formed, and peft makes exactly those tensors, in that order,
    when the configuration is put into a model.
    """
    subject = f"peft method {method.name}"
    try:
        samples = sample_params(method, plugin)
    except HarnessError as error:
        yield Problem(subject, "params", str(error))
        return
    for params in samples:
        try:
            shapes = adapter_shapes(method.name, method, TINY, params)
            again = adapter_shapes(method.name, method, TINY, params)
            travelling_shapes(method.name, method, shapes)
        except HarnessError as error:
            yield Problem(subject, "shapes", f"on a Llama: {error}")
            continue
        if list(shapes.items()) != list(again.items()):
            yield Problem(subject, "shapes", "two forecasts of the same parameters differ")
        try:
            peft = Choice(
                name=f"{plugin.ref.name}/{method.name}", params=params.model_dump(mode="json")
            )
            yield from list(_against_peft(method, params, shapes, TINY, peft))
        except HarnessError as error:
            yield Problem(subject, "configure", str(error))


def check_on_own_family(plan: Resolved) -> Iterator[Problem]:
    """Yield what is wrong with a recipe's PEFT method on a small random model of its own family."""
    small = smoke_model(plan.spec.model).with_values(vocab=TINY.vocab)
    method, params = plan.components.method, plan.components.peft_params
    subject = f"recipe {plan.spec.recipe}"
    try:
        shapes = adapter_shapes(method.name, method, small, params)
        found = list(_against_peft(method, params, shapes, small, plan.spec.peft))
    except HarnessError as error:
        yield Problem(subject, "model", f"on a small {small.architecture}: {error}")
        return
    for item in found:
        yield Problem(subject, item.check, f"on a small {small.architecture}: {item.found}")


def check_start_of(plan: Resolved) -> Iterator[Problem]:
    """Yield whether a recipe's adapter starts from a part of the base that its strategy leaves."""
    spec, parts = plan.spec, plan.components
    small = smoke_model(spec.model).with_values(vocab=TINY.vocab, layers=TINY.layers)

    def initial() -> dict[str, Any]:
        from peft import get_peft_model, get_peft_model_state_dict

        with calling_plugin("peft, given its configuration,"):
            model = get_peft_model(random_model(small), config)
        made = get_peft_model_state_dict(model, save_embedding_layers=False)
        return {name: tensor.detach().float().numpy() for name, tensor in made.items()}

    try:
        context = small_context(spec, plan.challenge, parts)
        down = round_plan(
            spec.strategy.name, parts.strategy, parts.strategy_params, context, 1
        ).down
        with calling_plugin("configure()", function=parts.method.configure):
            config = parts.method.configure(small, parts.peft_params)
    except HarnessError:
        return  # the checks of the method and of the strategy tell it
    try:
        refuse_start_in_base(spec, down, config, initial)
    except HarnessError as error:
        yield Problem(f"recipe {spec.recipe}", "start", str(error))


def _against_peft(
    method: PeftMethod, params: Any, shapes: Any, spec: ModelSpec, peft: Choice
) -> Iterator[Problem]:
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict

    subject = f"peft method {method.name}"
    with calling_plugin("configure()", function=method.configure):
        config, again = method.configure(spec, params), method.configure(spec, params)
    if not isinstance(config, PeftConfig):
        yield Problem(
            subject,
            "configure",
            f"configure(){at(method.configure)} returned {type(config).__name__}; expected a"
            " PeftConfig",
        )
        return
    if config.is_prompt_learning:
        yield Problem(
            subject,
            "configure",
            f"configure(){at(method.configure)} asks for prompt learning, which adds tokens to the"
            " examples; use a method that changes layers",
        )
        return
    if config.to_dict() != again.to_dict():
        yield Problem(
            subject,
            "configure",
            f"configure(){at(method.configure)} gives another configuration when it is asked"
            " again, and every client asks; make it follow from its arguments alone",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with calling_plugin("peft, given its configuration,"):
            model = get_peft_model(random_model(spec), config)
        made = get_peft_model_state_dict(model, save_embedding_layers=False)
    found = {name: tuple(tensor.shape) for name, tensor in made.items()}
    if list(found.items()) != [(name, tuple(shape)) for name, shape in shapes.items()]:
        yield Problem(
            subject,
            "shapes",
            f"peft makes {len(found)} tensors, the forecast of shapes(){at(method.shapes)} has"
            f" {len(shapes)}; {_first_difference(found, shapes)}",
        )
        return
    trained = {p.data_ptr() for p in model.parameters() if p.requires_grad}
    still = [n for n, t in made.items() if t.data_ptr() not in trained and not method.frozen(n)]
    if still:
        yield Problem(
            subject,
            "trained",
            f"peft does not train {still[0]}, {len(still)} such; leave inference_mode out of"
            f" configure(){at(method.configure)}, or name them in frozen()",
        )
        return
    try:
        adapter = Adapter(random_model(spec), spec, method, params)
        refuse_other_settings(adapter.configuration(), method, peft, spec.hub_id)
    except HarnessError as error:
        yield Problem(subject, "configure", str(error))


def _first_difference(found: dict[str, tuple[int, ...]], shapes: Shapes) -> str:
    """Return the first tensor that differs, with what either side says of it."""
    for name in sorted(found.keys() | shapes.keys()):
        ours, forecast = found.get(name), shapes.get(name)
        if forecast is None:
            return f"not forecast: {name} {ours}"
        if ours is None:
            return f"not made: {name} {tuple(forecast)}"
        if ours != tuple(forecast):
            return f"{name} is {ours}, the forecast {tuple(forecast)}"
    return "in another order"


def random_model(spec: ModelSpec) -> Any:
    """Return a randomly initialised transformers model of a spec's shapes."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    values = config_of_spec(spec)
    kind = values.pop("model_type")
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**values, bos_token_id=1, eos_token_id=2, pad_token_id=None)
    return AutoModelForCausalLM.from_config(config)
