"""AuditedStrategy: any Flower strategy, numbered, seeded and recorded.

Flower's own `Strategy.start` runs the rounds. The strategy of the plugin is called with the round's
number of the whole run, also when the run was resumed, and with `random` and numpy's global
generator seeded, so that what it samples or draws depends on (seed, round) alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from harness.errors import FederationError, PluginError
from harness.federation.dependence.known_strategies import RULES
from harness.federation.dependence.trial import MidRound
from harness.federation.open_run import OpenRun
from harness.federation.serverapp.grid import AuditedGrid
from harness.federation.serverapp.round_record import Exchange
from harness.federation.serverapp.seeding import seed_draws
from harness.federation.strategy_calls import aggregated, configured
from harness.federation.wire.tensors import difference, shapes_of, to_record, to_tensors
from harness.plugins.guard import calling_plugin
from harness.plugins.places import at

RoundDone = Callable[[Exchange, dict[str, np.ndarray], float], None]
"""(traffic, aggregate, seconds): called after each round."""


class AuditedStrategy(Strategy):  # type: ignore[misc]  # Flower is untyped to mypy here
    """Runs a strategy from round `done + 1` on."""

    def __init__(self, run: OpenRun, done: int, round_done: RoundDone) -> None:
        """Wrap the strategy of `run`, fresh or with its state restored, after `done` rounds."""
        self.run = run
        self.inner = run.strategy
        self.name = f"strategy {type(run.strategy).__name__}"
        self.done = done
        self.round_done = round_done
        self.begin = 0.0
        self.sent: dict[str, np.ndarray] = {}
        self.grid: AuditedGrid | None = None

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Let the strategy sample and fill the messages of a round.

        Args:
            server_round: the round as Flower counts, from 1 in every session.
            arrays: the whole adapter, float32, frozen tensors too.
            config: empty; the strategy fills its own.
            grid: the audited one.
        """
        assert isinstance(grid, AuditedGrid)
        number = self.done + server_round
        self.begin = time.monotonic()
        self.grid = grid
        self.sent = to_tensors(arrays)
        moving = ArrayRecord()  # the strategy never sees a frozen tensor
        for name, array in arrays.items():
            if name not in self.run.frozen:
                moving[name] = array
        grid.open_round(number)
        seed_draws(self.run.spec.seed, "sampling", number)
        return configured(self.inner, self.name, number, moving, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Let the strategy combine the replies, check what it made and record the round.

        Raises:
            PluginError: the strategy raises, or its aggregate is not shaped like the adapter.
            FederationError: the aggregate holds NaN or an infinity.
        """
        number = self.done + server_round
        grid = self.grid
        if grid is None or grid.last is None:
            raise FederationError(
                f"round {number} sampled no client; the strategy must train in every round"
            )
        replies = list(replies)
        held = None
        if self.run.spec.strategy.name not in RULES:
            held = MidRound.of(number, self.inner, self.run.build_strategy, replies)
        seed_draws(self.run.spec.seed, "aggregation", number)
        arrays, metrics = aggregated(self.inner, self.name, number, replies)
        still = {name: array for name, array in self.sent.items() if name in self.run.frozen}
        expected = self.run.plan(number).adapter or shapes_of(self.sent)
        ordered, problem = _arranged({**arrays, **still}, expected)
        if problem:
            finite = all(np.isfinite(array).all() for array in ordered.values())
            what = f"aggregate of round {number} by {self.name}: {problem}"
            place = at(type(self.inner).aggregate_train)
            if finite:
                raise PluginError(f"{what}; mend the strategy{place}")
            raise FederationError(f"{what}; lower the learning rate or mend the strategy{place}")
        exchange = replace(grid.last, rest=self._rest(number), before=self.sent, held=held)
        self.round_done(exchange, ordered, time.monotonic() - self.begin)
        return to_record(ordered), metrics

    def _rest(self, number: int) -> dict[str, np.ndarray]:
        """Return what every client held and nobody returned or kept."""
        plan = self.run.plan(number)
        moved = plan.up.keys() | plan.keep.keys()
        return {name: array for name, array in self.sent.items() if name not in moved}

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Send no message: evaluation is the harness's and comes after the federation.

        Args:
            server_round: not used, as all that follow.
            arrays: not used.
            config: not used.
            grid: not used.
        """
        return []

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Aggregate nothing: no client was asked."""
        return None

    def summary(self) -> None:
        """Let the strategy log its settings."""
        with calling_plugin(f"{self.name}: summary()"):
            self.inner.summary()


def _arranged(
    arrays: dict[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, np.ndarray], str | None]:
    """Return the arrays in the order of `expected`, and how they fail to be those, or None."""
    if set(arrays) == set(expected):
        arrays = {name: arrays[name] for name in expected}
    return arrays, difference(arrays, expected)
