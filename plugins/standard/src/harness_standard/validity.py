"""Which strategy is valid for which PEFT method, as data, and why the others are not.

`plan` refuses by this table; `docs/components.md` is rendered from it; every cell that it allows is
run by a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OWN = "standard/"
"""Qualified names of this plugin's PEFT methods start so."""

PER_TENSOR = (
    "fedavg", "fedprox", "scaffold", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "qfedavg",
    "fedmedian", "fedtrimmedavg", "krum", "multikrum", "dp-server-side", "dp-client-side",
)  # fmt: skip
"""Strategies that treat every tensor alike, whatever it means."""

PER_FACTOR = ("flexlora", "flora", "ffa-lora", "rolora", "fedsa-lora")
"""Strategies that need LoRA's factors A and B by name."""

PLAIN_PRODUCT = ("lora", "rslora")
"""PEFT methods whose update is s B A and nothing else."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Pairs that are not valid, and why."""

    strategies: tuple[str, ...]
    methods: tuple[str, ...]
    reason: str


REFUSALS = (
    Refusal(
        PER_TENSOR + PER_FACTOR,
        ("adalora",),
        "AdaLoRA prunes ranks by each client's own gradients, so one index means another component"
        " on every client and no average of them is defined; use lora",
    ),
    Refusal(
        PER_TENSOR + PER_FACTOR,
        ("pissa", "olora"),
        "its start takes a part of the base's weights into the adapter, but the base is evaluated"
        " as it was, in 4 bits, so the adapter would be added to another base; use lora",
    ),
    Refusal(
        PER_FACTOR,
        ("dora",),
        "DoRA rescales each row of W + s B A to a trained magnitude, so a mean of products is not"
        " the mean of what clients trained; use lora, or fedavg with dora",
    ),
    Refusal(
        PER_FACTOR,
        ("ffa-lora",),
        "A is frozen already and only B travels, where fedavg is exact; use fedavg",
    ),
    Refusal(
        ("flora",),
        ("rslora",),
        "the rank of the stack grows, and alpha / sqrt(rank) would take an alpha that is no whole"
        " number; use lora",
    ),
    Refusal(
        PER_FACTOR,
        ("vera", "ia3", "loha", "lokr"),
        "it has no factors lora_A and lora_B to tell apart; use fedavg",
    ),
)


def why_not(strategy: str, method: str) -> str | None:
    """Return why `strategy` is not valid for this plugin's PEFT method `method`, or None."""
    for refusal in REFUSALS:
        if strategy in refusal.strategies and method in refusal.methods:
            return refusal.reason
    return None


def supports(strategy: str) -> Callable[[str, Any], str | None]:
    """Return `StrategyMethod.supports` for `strategy`.

    A PEFT method of another plugin is taken where every tensor is treated alike, and refused where
    LoRA's factors are needed: nobody has shown that its tensors are those.
    """

    def check(peft_method: str, peft_params: Any) -> str | None:
        if peft_method.startswith(OWN):
            return why_not(strategy, peft_method.removeprefix(OWN))
        if strategy in PER_FACTOR:
            known = ", ".join(OWN + name for name in PLAIN_PRODUCT)
            return f"it is shown valid for {known} only"
        return None

    return check
