"""The harness's own aggregation: what a known strategy should have sent and made of its replies.

A strategy is known by its name, and its formula stands here again: whatever has changed the
plugin's code, in its files or in memory, its aggregate is compared with what the formula gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.components import HISTORY
from harness.errors import RecordError
from harness.federation.dependence.case import Case, Values, apart
from harness.federation.dependence.factor_strategies import sent_by
from harness.federation.dependence.known_strategies import RULES, Kept, Known
from harness.planning.sampling import draw_seed
from harness.spec import RunSpec

OWN = "harness/"
"""Prefix of what the harness keeps, among the tensors of the strategy's state in a checkpoint."""

STATEFUL = ("fedavgm", "fedadam", "fedyogi", "fedadagrad", "scaffold")
"""Strategies whose aggregate depends on the rounds before."""


class OwnAggregation:
    """The second aggregation of one run, round after round."""

    def __init__(
        self, spec: RunSpec, supernodes: int, defaults: Mapping[str, Any] | None = None
    ) -> None:
        """Know the formula of the spec's strategy, or none; begin before round 1.

        Args:
            spec: the run.
            supernodes: how many there are, sampled or not.
            defaults: parameters of the strategy that the spec does not name; a resolved one names
                all.
        """
        self.spec = spec
        self.params = {**(defaults or {}), **spec.strategy.params}
        self.supernodes = supernodes
        self.rule = RULES.get(spec.strategy.name)
        self.kept: Kept = {}

    def restore(self, round: int, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Go on after `round` from what a checkpoint holds.

        Args:
            round: rounds done.
            tensors: of the checkpoint's state; those of the harness are among them.

        Raises:
            RecordError: a checkpoint of before the harness kept any.
        """
        self.kept = {
            name.removeprefix(OWN): np.array(values)
            for name, values in tensors.items()
            if name.startswith(OWN)
        }
        name = self.spec.strategy.name
        needs = name.removeprefix("standard/") in STATEFUL and self.params.get("server_momentum", 1)
        if self.rule and needs and round and not self.kept:
            raise RecordError(
                f"the checkpoint of round {round} was written by a harness that did not aggregate"
                f" {name} a second time; finish the run with that one, or begin it again"
            )

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return what a checkpoint should hold."""
        return {OWN + name: values for name, values in self.kept.items()}

    def deviation(self, case: Case) -> float | None:
        """Return how far the aggregate is from the formula's, and remember the round.

        None where no formula is known.
        """
        if self.rule is None:
            return None
        seed = draw_seed(self.spec.seed, "aggregation", case.round) % 2**32
        known = Known(self.params, self.supernodes, seed, self.kept)
        found, self.kept = self.rule(case, known)
        return found

    def start_deviation(self, case: Case) -> float:
        """Return how far what clients were sent is from the adapter that the round began with.

        Of a strategy's own arrays, SCAFFOLD's control variate and FLoRA's stack are known too; any
        other is not looked at. Call it before `deviation`.
        """
        worst = 0.0
        for sent in case.sent:
            for name, values in sent.items():
                expected = self._own_array(case.before, name, sent)
                if expected is not None and not np.array_equal(values, expected):
                    worst = max(worst, apart(values, expected))
        return worst

    def _own_array(self, before: Values, name: str, sent: Values) -> NDArray[Any] | None:
        peft = self.spec.peft.params
        if (special := sent_by(self.spec.strategy.name)) is not None:
            return special(before, name, sent, peft["alpha"] / peft["r"])
        if name in before:
            return before[name]
        if self.rule is None:
            return None
        if name.startswith("control/"):
            shape = before[name.removeprefix("control/")].shape
            return self.kept.get(name, np.zeros(shape, np.float32))
        inner = name.removeprefix(HISTORY)
        if inner == name or inner not in before:
            return None
        scale = peft["alpha"] / peft["r"] if inner.endswith(".lora_B.weight") else 1.0
        return np.asarray(before[inner] * np.float32(scale), np.float32)
