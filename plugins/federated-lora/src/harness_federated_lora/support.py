"""For which PEFT methods of `plugins/standard` these strategies are defined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PLAIN = ("standard/lora", "standard/rslora")
"""Methods whose update is s B A and nothing else."""
REBASED = ("standard/pissa", "standard/olora")
"""Methods that start from a part of the base's own weights."""


def only(names: tuple[str, ...], reason: str) -> Callable[[str, Any], str | None]:
    """Return `StrategyMethod.supports` of a strategy that is defined for `names` alone.

    Args:
        names: qualified PEFT methods.
        reason: why it is not valid for the others.
    """

    def check(peft_method: str, peft_params: Any) -> str | None:
        return None if peft_method in names else f"{reason}; use {' or '.join(names)}"

    return check


FACTORS = "it combines the factors of a plain update s B A"
"""Why a strategy of factors is not valid for other methods."""
