"""Rounds of a strategy on small arrays, remembered as cases: no Ray, no model, no time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from flwr.app import Message

from harness.components import RoundPlan, StrategyContext, StrategyMethod
from harness.document import Document
from harness.federation.dependence.case import Case
from harness.federation.dependence.trial import MidRound
from harness.federation.rehearsal.clients import Arrays, drift
from harness.federation.rehearsal.small_federation import SmallFederation
from harness.federation.serverapp.seeding import seed_draws
from harness.federation.strategy_parts import build_strategy
from harness.federation.wire.names import ARRAYS_RECORD, EXAMPLES, LOSS, METRICS_RECORD
from harness.federation.wire.tensors import to_tensors
from harness.library_internals.flower import sending_as
from harness.testing.samples import LORA, LORA_PARAMS, lora_shapes

EXAMPLE_COUNTS = {0: 300, 1: 100, 2: 50, 3: 250, 4: 120, 5: 80, 6: 90, 7: 110}
SEED = 7

CONTEXT = StrategyContext(
    num_supernodes=8, clients_per_round=5, fraction=5 / 8, rounds=4, seed=SEED,
    shapes=lora_shapes(), peft_method=LORA, peft_params=LORA_PARAMS,
)  # fmt: skip


@dataclass
class Played:
    """One round, and the strategy in the middle of it."""

    case: Case
    held: MidRound

    @property
    def seed(self) -> Any:
        """Seeds the generators as the round did."""
        return partial(seed_draws, SEED, "aggregation", self.case.round)


class Playing(SmallFederation):
    """A small federation that remembers its rounds."""

    def play(self, adapter: Arrays, round: int) -> Arrays:
        """Play one round and remember it."""
        after = super().play(adapter, round)
        contents = self.held.contents
        first = next(iter(self.sent))
        case = Case(
            round=round,
            before=dict(adapter),
            sent=[first],
            updates=[to_tensors(c.array_records[ARRAYS_RECORD]) for c in contents],
            examples=[int(c.metric_records[METRICS_RECORD][EXAMPLES]) for c in contents],
            losses=[float(c.metric_records[METRICS_RECORD][LOSS]) for c in contents],
            after=after,
            travelling=list(adapter),
        )
        self.played = [*getattr(self, "played", []), Played(case, self.held)]
        return after

    def _ask(self, adapter: Arrays, plan: RoundPlan, round: int) -> list[Message]:
        work = self.clients.answer
        self.sent: list[Arrays] = []

        def answer(message: Message, content: Any, *rest: Any) -> Message:
            self.sent.append(to_tensors(content[ARRAYS_RECORD]))
            return work(message, content, *rest)

        self.clients.answer = answer  # type: ignore[method-assign]
        try:
            replies = super()._ask(adapter, plan, round)
        finally:
            del self.clients.answer
        build = partial(build_strategy, self.method.name, self.method, self.params, self.context)
        self.held = MidRound.of(round, self.strategy, build, replies)
        return replies


def play(
    method: StrategyMethod, params: Document | None = None, rounds: int = 4, scale: float = 0.05
) -> list[Played]:
    """Play some rounds of a strategy with clients that move at random."""
    with sending_as(1):
        federation = Playing(
            method, params or method.params(), CONTEXT, drift(scale), EXAMPLE_COUNTS
        )
        federation.rounds(rounds)
        return federation.played


def shifted(case: Case, by: float) -> dict[str, np.ndarray]:
    """Return the aggregate with one tensor off by a share of its size."""
    name = next(iter(case.after))
    return {**case.after, name: case.after[name] * np.float32(1 + by)}
