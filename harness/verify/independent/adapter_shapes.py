"""Tensors of the PEFT methods that are known here, from model and parameters alone.

Written from peft's layers and not from the plugins' code, so that the two check each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from harness.components import Linear, ModelSpec, Shapes, select_linears

PREFIX = "base_model.model."
MAGNITUDE = ".lora_magnitude_vector"

LayerRule = Callable[[Linear, int, Mapping[str, Any]], Shapes]
"""(layer, rank, parameters) -> suffix of a tensor's name -> its shape"""


def known_shapes(
    method: str, model: ModelSpec, params: Mapping[str, Any], targets: tuple[str, ...], rank: int
) -> Shapes | None:
    """Return the tensors of an adapter; None for a method that is not known here.

    Args:
        method: qualified name.
        model: whose linear layers are adapted.
        params: of the method.
        targets: `target_modules`.
        rank: of the factors; unused by methods without any.

    Raises:
        PluginError: a target matches no layer of `model`.
    """
    rule = METHODS.get(method)
    if rule is None:
        return None
    return {
        f"{PREFIX}{layer.name}{suffix}": shape
        for layer in select_linears(model, targets)
        for suffix, shape in rule(layer, rank, params).items()
    }


def _lora(layer: Linear, rank: int, params: Mapping[str, Any]) -> Shapes:
    """LoRA has A (r, in) and B (out, r) for each layer. Source: peft `LoraLayer`."""
    return {
        ".lora_A.weight": (rank, layer.in_features),
        ".lora_B.weight": (layer.out_features, rank),
    }


def _dora(layer: Linear, rank: int, params: Mapping[str, Any]) -> Shapes:
    """DoRA has LoRA's factors and a magnitude (out,). Source: peft `DoraLinearLayer`."""
    return {**_lora(layer, rank, params), MAGNITUDE: (layer.out_features,)}


def _vera(layer: Linear, rank: int, params: Mapping[str, Any]) -> Shapes:
    """VeRA trains the vectors b (out,) and d (r,) of each layer. Source: peft `VeraLayer`."""
    return {".vera_lambda_b": (layer.out_features,), ".vera_lambda_d": (rank,)}


def _ia3(layer: Linear, rank: int, params: Mapping[str, Any]) -> Shapes:
    """IA3 has one vector a layer: over its outputs, or its inputs where it is a feed-forward layer.

    Source: peft `IA3Layer`.
    """
    forward = params.get("feedforward_modules")
    names = forward if isinstance(forward, list | tuple) else ()
    if layer.name.rpartition(".")[2] in names:
        return {".ia3_l": (1, layer.in_features)}
    return {".ia3_l": (layer.out_features, 1)}


def _loha(layer: Linear, rank: int, params: Mapping[str, Any]) -> Shapes:
    """LoHa has two pairs (out, r) and (r, in) for each layer. Source: peft `LoHaLayer`."""
    pair = {"_a": (layer.out_features, rank), "_b": (rank, layer.in_features)}
    return {f".hada_{w}{part}": shape for w in ("w1", "w2") for part, shape in pair.items()}


def _lokr(layer: Linear, rank: int, params: Mapping[str, Any]) -> Shapes:
    """LoKr has W1 of the sizes' small factors and W2 of their large ones for each layer.

    W2 is itself kept in two factors where the rank is below half its size.

    Source: peft `LoKrLayer` with `decompose_factor=-1`.
    """
    (out_small, out_large), (in_small, in_large) = (
        near_square(layer.out_features),
        near_square(layer.in_features),
    )
    first: Shapes = {".lokr_w1": (out_small, in_small)}
    if rank < max(out_large, in_large) / 2:
        return {**first, ".lokr_w2_a": (out_large, rank), ".lokr_w2_b": (rank, in_large)}
    return {**first, ".lokr_w2": (out_large, in_large)}


@lru_cache(maxsize=1024)
def near_square(size: int) -> tuple[int, int]:
    """Return the two factors of `size` that are closest to each other, the smaller first."""
    small = max(n for n in range(1, int(size**0.5) + 1) if size % n == 0)
    return small, size // small


METHODS: dict[str, LayerRule] = {
    "standard/lora": _lora,
    "standard/dora": _dora,
    "standard/rslora": _lora,
    "standard/ffa-lora": _lora,
    "standard/vera": _vera,
    "standard/ia3": _ia3,
    "standard/loha": _loha,
    "standard/lokr": _lokr,
}
