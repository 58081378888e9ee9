"""The adapter: the small set of trained tensors that travels between server and clients."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from harness.components import ModelSpec, PeftMethod
from harness.document import Document
from harness.errors import FederationError, PluginError
from harness.planning.component_checks import adapter_shapes
from harness.plugins.guard import calling_plugin
from harness.plugins.places import at

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]
"""Tensor name as in peft's state dict -> values, in state-dict order."""


class Adapter:
    """A peft adapter inside a base model, and the tensors of it that travel."""

    def __init__(self, base: Any, model: ModelSpec, method: PeftMethod, params: Document) -> None:
        """Put a new adapter into `base`, whose modules change in place.

        The caller seeds torch first: that decides the initial values.

        Args:
            base: the frozen transformers model.
            model: its description, which the method forecasts shapes from.
            method: the PEFT method.
            params: the method's parameters, validated.

        Raises:
            PluginError: the method cannot be applied to this model, or makes other tensors than it
                forecast.
        """
        from peft import PeftConfig, get_peft_model, get_peft_model_state_dict

        culprit = f"PEFT method {method.name}"
        self.shapes = adapter_shapes(method.name, method, model, params)
        """Tensor name -> shape, as the method forecasts them."""
        self._call = f"{culprit}: configure(){at(method.configure)}"
        with calling_plugin(f"{culprit}: configure()"):
            self.config = method.configure(model, params)
        if not isinstance(self.config, PeftConfig):
            raise PluginError(
                f"{self._call} returned {type(self.config).__name__}, not a PeftConfig"
            )
        if self.config.inference_mode:
            raise PluginError(
                f"{self._call} sets inference_mode, with which peft trains nothing; leave it out"
            )
        if self.config.is_prompt_learning:
            raise PluginError(
                f"{culprit}: prompt learning ({self.config.peft_type}) adds tokens to the examples;"
                " use a method that changes layers"
            )
        kept = _weights(base) if _rebases(self.config) else {}
        try:
            with warnings.catch_warnings():
                # peft 0.21 asks transformers 5.23 by a name that the latter is giving up.
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
                peft_model = get_peft_model(base, self.config)
        except (ValueError, TypeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise PluginError(f"{culprit} cannot be applied to {model.name}: {reason}") from None
        _put_back(base, kept)
        state = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
        self._hub_id = model.hub_id
        self._tensors: dict[str, torch.Tensor] = dict(state)
        found = {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}
        if found != {name: tuple(shape) for name, shape in self.shapes.items()}:
            differing = sorted(set(found.items()) ^ {(k, tuple(v)) for k, v in self.shapes.items()})
            raise PluginError(
                f"{culprit}: {len(found)} tensors made, {len(self.shapes)} forecast by its"
                f" shapes(){at(method.shapes)}; first difference {differing[0]}; correct shapes()"
            )
        # peft's state dict holds views under names of its own, so a tensor of it is matched with
        # the parameter that the optimizer needs by the memory that both stand for.
        trainable = [p for p in base.parameters() if p.requires_grad]
        by_memory = {parameter.data_ptr(): parameter for parameter in trainable}
        self._parameters: dict[str, torch.nn.Parameter] = {
            name: by_memory[tensor.data_ptr()]
            for name, tensor in self._tensors.items()
            if tensor.data_ptr() in by_memory
        }
        if len(self._parameters) != len(trainable):
            raise PluginError(
                f"{culprit}: {len(trainable)} trainable tensors, of which {len(self._parameters)}"
                " are in its state dict; the others would be lost"
            )

    def load(self, arrays: Mapping[str, Any]) -> None:
        """Set the adapter's values; `arrays` has exactly its names and shapes."""
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                # Flower's arrays are read-only views of a message; torch wants writable ones.
                tensor.copy_(torch.from_numpy(np.require(arrays[name], requirements=["C", "W"])))

    def choose_trained(self, names: frozenset[str]) -> list[torch.nn.Parameter]:
        """Let the optimizer change the named tensors only, and return them.

        Raises:
            FederationError: a name is not a trainable tensor of this adapter.
        """
        if odd := sorted(names - set(self._parameters)):
            raise FederationError(f"the round trains {odd[0]!r}, which is no trainable tensor")
        for name, parameter in self._parameters.items():
            parameter.requires_grad_(name in names)
            parameter.grad = None
        return list(self.trained().values())

    def trained(self) -> dict[str, torch.nn.Parameter]:
        """Return the tensors that the optimizer changes, by the names that travel."""
        return {name: p for name, p in self._parameters.items() if p.requires_grad}

    def values(self) -> Arrays:
        """Return a copy of the adapter's values, float32, in state-dict order."""
        return {
            name: tensor.detach().to("cpu", torch.float32).numpy().copy()
            for name, tensor in self._tensors.items()
        }

    def configuration(self) -> str:
        """Return peft's configuration of the adapter as a file should hold it: JSON, keys sorted.

        It names the base model by its name on the hub, not by a folder of this machine.
        """
        described = self.config.to_dict()
        described["base_model_name_or_path"] = self._hub_id
        described["inference_mode"] = True
        return json.dumps(described, default=_plain, sort_keys=True)

    def refuse_other_configuration(self, first: str) -> None:
        """Check that peft's configuration here is that of the run's first adapter.

        Args:
            first: what `configuration` returned where that adapter was made.

        Raises:
            PluginError: it is another one: the method answers each process in its own way.
        """
        here, there = _compared(self.configuration()), _compared(first)
        for key in sorted(here.keys() & there.keys()):
            if here[key] != there[key]:
                raise PluginError(
                    f"{self._call} gives each process another configuration: {key} is"
                    f" {here[key]!r:.60} here, {there[key]!r:.60} in the run's first adapter; make"
                    " it follow from its arguments alone"
                )


def _compared(configuration: str) -> dict[str, Any]:
    """Return a configuration without what differs from machine to machine, as addresses do."""
    found: dict[str, Any] = json.loads(re.sub(r" at 0x[0-9a-f]+", "", configuration))
    found.pop("peft_version", None)
    return found


def _rebases(config: Any) -> bool:
    """Whether peft takes the adapter's start out of the base's weights: PiSSA, OLoRA and others."""
    return isinstance(getattr(config, "init_lora_weights", True), str) and (
        config.init_lora_weights != "gaussian"
    )


def _weights(base: Any) -> dict[int, torch.Tensor]:
    """Return copies of a model's weights, by the place of each among its parameters."""
    return {place: item.detach().clone() for place, item in enumerate(base.parameters())}


def _put_back(base: Any, kept: Mapping[int, torch.Tensor]) -> None:
    """Give a base the weights that peft took its start out of: it is evaluated as it was.

    The start is taken off each layer's output by the strategy, as a history is added.
    """
    if not kept:
        return
    frozen = [item for item in base.parameters() if not item.requires_grad]
    with torch.no_grad():
        for item, values in zip(frozen, kept.values(), strict=True):
            item.data = values


def _plain(value: object) -> object:
    # A set's order differs from process to process.
    if isinstance(value, set | frozenset):
        return sorted(value)
    return getattr(value, "value", None) or str(value)
