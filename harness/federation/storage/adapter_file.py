"""The adapter's two files, written by the server out of the numbers that it holds.

Only peft's configuration needs peft. A client says it once, with the initial adapter, and it lies
in every checkpoint from then on; the weights are numpy arrays. So no client is asked when a
federation ends: its clients may just have died, and what they had to say is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.components import PeftMethod, Shapes
from harness.document import parse_json, pretty_json, write_atomic
from harness.errors import PluginError
from harness.plugins.places import at
from harness.recipe import Choice
from harness.record.file_names import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from harness.verify.rules.run.adapter_config import at_odds


def write_adapter(
    folder: Path, arrays: Mapping[str, np.ndarray], peft_config: str, initial: Shapes
) -> None:
    """Write an adapter as peft reads it; equal arrays give equal bytes.

    Args:
        folder: where to; made where there is none.
        arrays: the whole adapter, frozen tensors too, float32, by name in peft's state dict.
        peft_config: peft's configuration of the initial adapter, as JSON.
        initial: the initial adapter's shapes, which tell by how much its ranks have grown.

    Raises:
        RecordError: the disk refused it.
        PluginError: the layers' ranks have grown by different factors.
    """
    from safetensors.numpy import save

    config = config_of(peft_config, _growth(arrays, initial))
    tensors = {name: np.ascontiguousarray(values) for name, values in sorted(arrays.items())}
    write_atomic(folder / ADAPTER_WEIGHTS, save(tensors, metadata={"format": "pt"}))
    write_atomic(folder / ADAPTER_CONFIG, pretty_json(config))


def config_of(peft_config: str, growth: int = 1) -> dict[str, Any]:
    """Return peft's configuration of a written adapter.

    Args:
        peft_config: that of the initial adapter, as JSON.
        growth: how many times its ranks the adapter has.
    """
    config: dict[str, Any] = parse_json(peft_config, "peft's configuration")
    if growth != 1:
        # Stacking the factors of five clients makes r=8 (lora_alpha=16) r=40. The layer's scale is
        # lora_alpha / r: with lora_alpha=16 it would fall from 2 to 0.4, so it becomes 80.
        config |= {name: growth * config[name] for name in ("r", "lora_alpha")}
    if isinstance(config.get("init_lora_weights"), str):
        # peft would take a start out of the base again when it loads the adapter. Source: peft's
        # `save_pretrained(path_initial_model_for_weight_conversion=...)`.
        config["init_lora_weights"] = True
    return config


def refuse_other_settings(peft_config: str, method: PeftMethod, peft: Choice, hub_id: str) -> None:
    """Check that peft's configuration of an initial adapter is what the recipe makes it.

    Args:
        peft_config: that configuration, as JSON.
        method: the PEFT method that gave it.
        peft: the method's qualified name, with all its parameters.
        hub_id: of the base model.

    Raises:
        PluginError: a setting is another, so that `harness verify` would refuse the adapter.
    """
    for setting, found, expected in at_odds(config_of(peft_config), peft, hub_id):
        raise PluginError(
            f"PEFT method {peft.name}: configure(){at(method.configure)} sets"
            f" {setting} to {found!r:.80}, where the recipe makes it {expected!r:.80}, so that"
            " no check would accept the adapter; take it from the parameters, or give the"
            " parameter another name than peft's"
        )


def _growth(arrays: Mapping[str, np.ndarray], initial: Shapes) -> int:
    factors = {
        len(values) // initial[name][0]
        for name, values in arrays.items()
        if name.endswith(".lora_A.weight")
    } or {1}
    if len(factors) != 1:
        raise PluginError(
            f"the adapter's ranks have grown by the factors {sorted(factors)}; peft's configuration"
            " has one rank for all layers: let the strategy grow them alike"
        )
    [factor] = factors
    return factor
