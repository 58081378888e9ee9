"""Components: what plugins contribute. ModelSpec is a document; the others hold code.

A component that holds code never leaves its process: a run names it, and every process that needs
it loads it again by that name.
"""

from harness.components.extensions import (
    EXTENSION_KINDS,
    ClientRanks,
    ClientRows,
    Extension,
    LocalLoop,
    LocalOptimizer,
    LoopSteps,
    Loss,
    LossInput,
    RankContext,
    RowsContext,
)
from harness.components.model import Linear, ModelSpec, select_linears
from harness.components.model_config import spec_of_config
from harness.components.peft_method import PeftMethod, Shapes
from harness.components.strategy import (
    HISTORY,
    LocalObjective,
    LocalRound,
    RoundPlan,
    StrategyContext,
    StrategyMethod,
)

__all__ = [
    "EXTENSION_KINDS",
    "HISTORY",
    "ClientRanks",
    "ClientRows",
    "Extension",
    "Linear",
    "LocalLoop",
    "LocalObjective",
    "LocalOptimizer",
    "LocalRound",
    "LoopSteps",
    "Loss",
    "LossInput",
    "ModelSpec",
    "PeftMethod",
    "RankContext",
    "RoundPlan",
    "RowsContext",
    "Shapes",
    "StrategyContext",
    "StrategyMethod",
    "select_linears",
    "spec_of_config",
]
