"""A start that peft takes out of the base's weights, as PiSSA's, and nobody takes off again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from harness.components import HISTORY
from harness.errors import PluginError
from harness.spec import RunSpec

LEAST_START = 1e-2
"""||B A|| by ||B|| ||A|| from which a start is one. Where they are orthogonal rounding to bfloat16
makes it some 1e-4; PiSSA of rank r makes it 1 / sqrt(r) or more."""


def refuse_start_in_base(
    spec: RunSpec, down: Iterable[str], config: Any, initial: Callable[[], Mapping[str, Any]]
) -> None:
    """Check that a start which is a part of the base's weights is taken off while clients train.

    The base stays as it was, since the official evaluation takes it so: with such a start the first
    model would be another than the base, in which that part counts twice.

    Args:
        spec: the run.
        down: names of the arrays that its strategy sends.
        config: peft's configuration of the adapter.
        initial: gives the adapter as peft initialises it, by name; called where a start is named.

    Raises:
        PluginError: peft starts from the base's weights, and the strategy does not send what is to
            be taken off.
    """
    start = getattr(config, "init_lora_weights", True)
    if not isinstance(start, str) or any(name.startswith(HISTORY) for name in down):
        return
    first = initial()
    for name, a in first.items():
        b = first.get(name.replace(".lora_A.", ".lora_B."))
        if ".lora_A." not in name or b is None:
            continue
        most = np.linalg.norm(b) * np.linalg.norm(a)
        if most and np.linalg.norm(b @ a) > LEAST_START * most:
            raise PluginError(
                f"PEFT method {spec.peft.name} starts from a part of the base's weights"
                f" (init_lora_weights {start!r}), and strategy {spec.strategy.name} does not"
                f" take it off again while clients train (arrays named {HISTORY}...): the adapter"
                " would be added to another base; use a start that changes nothing, or"
                " standard/pissa with federated-lora/rebased"
            )
