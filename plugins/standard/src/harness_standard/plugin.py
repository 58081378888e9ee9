"""What this plugin contributes, by hook."""

from __future__ import annotations

from harness import hookimpl
from harness.components import PeftMethod, StrategyMethod
from harness_standard.peft_methods import PEFT_METHODS
from harness_standard.strategies import STRATEGIES


@hookimpl
def harness_peft_methods() -> tuple[PeftMethod, ...]:
    """PEFT methods over the peft library."""
    return PEFT_METHODS


@hookimpl
def harness_strategies() -> tuple[StrategyMethod, ...]:
    """Strategies of Flower, and ours for low-rank adapters."""
    return STRATEGIES
