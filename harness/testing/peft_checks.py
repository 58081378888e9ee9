"""Checks of one PEFT method, on a Llama or a model of a recipe's own family made on the spot."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from harness.components import ModelSpec, PeftMethod
from harness.components.model_config import config_of_spec
from harness.errors import HarnessError
from harness.planning.component_checks import adapter_shapes, travelling_shapes
from harness.planning.resolve import Resolved
from harness.planning.smoke import smoke_model
from harness.plugins import Loaded
from harness.plugins.guard import calling_plugin
from harness.plugins.places import at
from harness.testing.problem import Problem
from harness.testing.samples import TINY, sample_params


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
            yield from list(_against_peft(method, params, shapes, TINY))
        except HarnessError as error:
            yield Problem(subject, "configure", str(error))


def check_on_own_family(plan: Resolved) -> Iterator[Problem]:
    """Yield what is wrong with a recipe's PEFT method on a small random model of its own family."""
    small = smoke_model(plan.spec.model).with_values(vocab=TINY.vocab)
    method, params = plan.components.method, plan.components.peft_params
    subject = f"recipe {plan.spec.recipe}"
    try:
        shapes = adapter_shapes(method.name, method, small, params)
        found = list(_against_peft(method, params, shapes, small))
    except HarnessError as error:
        yield Problem(subject, "model", f"on a small {small.architecture}: {error}")
        return
    for item in found:
        yield Problem(subject, item.check, f"on a small {small.architecture}: {item.found}")


def _against_peft(
    method: PeftMethod, params: Any, shapes: Any, spec: ModelSpec
) -> Iterator[Problem]:
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict

    subject = f"peft method {method.name}"
    with calling_plugin("configure()", function=method.configure):
        config = method.configure(spec, params)
    if not isinstance(config, PeftConfig):
        yield Problem(
            subject,
            "configure",
            f"configure(){at(method.configure)} returned {type(config).__name__}; expected a"
            " PeftConfig",
        )
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with calling_plugin("peft, given its configuration,"):
            model = get_peft_model(random_model(spec), config)
        made = get_peft_model_state_dict(model, save_embedding_layers=False)
    found = {name: tuple(tensor.shape) for name, tensor in made.items()}
    if list(found.items()) != [(name, tuple(shape)) for name, shape in shapes.items()]:
        odd = sorted(set(found.items()) ^ {(n, tuple(s)) for n, s in shapes.items()})
        first = f"first difference {odd[0]}" if odd else "in another order"
        yield Problem(
            subject,
            "shapes",
            f"peft makes {len(found)} tensors, the forecast of"
            f" shapes(){at(method.shapes)} has {len(shapes)}; {first}",
        )


def random_model(spec: ModelSpec) -> Any:
    """Return a randomly initialised transformers model of a spec's shapes."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    values = config_of_spec(spec)
    kind = values.pop("model_type")
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**values, bos_token_id=1, eos_token_id=2, pad_token_id=None)
    return AutoModelForCausalLM.from_config(config)
