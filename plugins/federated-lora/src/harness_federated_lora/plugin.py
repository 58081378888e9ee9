"""What this plugin contributes, by hook."""

from __future__ import annotations

from harness import hookimpl
from harness.components import StrategyMethod
from harness_federated_lora.strategies import STRATEGIES


@hookimpl
def harness_strategies() -> tuple[StrategyMethod, ...]:
    """Strategies that combine LoRA's factors as papers of 2024 and 2025 do."""
    return STRATEGIES
