"""LoRA's factors by tensor name, and the scale of their product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

A_SUFFIX = ".lora_A.weight"
B_SUFFIX = ".lora_B.weight"
"""Source: peft's state dict of LoRA. Shapes say nothing: A of a square layer looks like B."""


def a_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the A factors, in order."""
    return tuple(name for name in names if name.endswith(A_SUFFIX))


def b_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the B factors, in order."""
    return tuple(name for name in names if name.endswith(B_SUFFIX))


def pairs(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return (A, B) of every adapted layer, in order of A.

    Raises:
        ValueError: an A without its B.
    """
    known = set(names)
    found = []
    for a in a_names(names):
        b = a.removesuffix(A_SUFFIX) + B_SUFFIX
        if b not in known:
            raise ValueError(f"{a} has no {b}; expected both factors of a layer")
        found.append((a, b))
    return tuple(found)


def scaling(peft_method: str, params: Mapping[str, Any]) -> float:
    """Return the factor of B A in the adapted layer.

    Args:
        peft_method: qualified name; `rslora` divides alpha by sqrt(r), the others by r.
        params: the method's parameters, with `r` and `alpha`.
    """
    rank, alpha = int(params["r"]), float(params["alpha"])
    return alpha / (rank**0.5 if peft_method.rpartition("/")[2] == "rslora" else rank)
