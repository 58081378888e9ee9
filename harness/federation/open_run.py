"""A run, opened: the code that its spec names, loaded and checked once in a process.

The engine, the ServerApp and every client process open the same job. From there on nothing loads a
plugin's components or parts again, and whatever plugin code answers has been checked.
"""

from __future__ import annotations

from functools import cached_property

from flwr.serverapp.strategy import Strategy

from harness.components import LocalObjective, RoundPlan, Shapes, StrategyContext
from harness.federation.job import Job
from harness.federation.strategy_parts import build_strategy, client_part
from harness.planning.component_checks import adapter_shapes, round_plan, strategy_context
from harness.plugins import Components, load_components


class OpenRun:
    """The components of one run, what they say about it, and the plan of each round."""

    def __init__(self, job: Job) -> None:
        """Load what `job` names and ask it what it will be held to.

        Raises:
            PluginError: an installed plugin is not the one that the spec names; one of its
                functions raises or answers with something else than it must; or the challenge is
                not the spec's.
        """
        job.check()
        spec = job.spec
        self.job = job
        self.spec = spec
        self.components: Components = load_components(spec)
        method, strategy = self.components.method, self.components.strategy
        self.shapes: Shapes = adapter_shapes(
            spec.peft.name, method, spec.model, self.components.peft_params
        )
        """Of the whole adapter as it starts, in state-dict order."""
        self.context: StrategyContext = strategy_context(
            spec, job.challenge, self.components, self.shapes
        )
        self.frozen = frozenset(self.shapes.keys() - self.context.shapes.keys())
        """Tensors that stay at their seeded start: saved, but neither trained nor sent."""
        self._plan: tuple[int, RoundPlan] | None = None
        self.objective: LocalObjective | None = client_part(
            spec.strategy.name, strategy, self.components.strategy_params, self._newest_plan
        )

    @cached_property
    def strategy(self) -> Strategy:
        """The Flower strategy of this process: built when it is first asked for, and then kept.

        Raises:
            PluginError: see `build_strategy`.
        """
        return self.build_strategy()

    def build_strategy(self) -> Strategy:
        """Return another Flower strategy, as it is before its first round.

        Raises:
            PluginError: see `harness.federation.strategy_parts.build_strategy`.
        """
        parts = self.components
        return build_strategy(
            self.spec.strategy.name, parts.strategy, parts.strategy_params, self.context
        )

    @property
    def message_keys(self) -> frozenset[str]:
        """Keys of a strategy's message config that its client part reads."""
        return frozenset(self.objective.reads) if self.objective else frozenset()

    def plan(self, round: int) -> RoundPlan:
        """Return what `round` (from 1) moves, checked; the newest plan is kept.

        Raises:
            PluginError: see `harness.planning.component_checks.round_plan`.
        """
        if self._plan is None or self._plan[0] != round:
            parts = self.components
            plan = round_plan(
                self.spec.strategy.name, parts.strategy, parts.strategy_params, self.context, round
            )
            self._plan = round, plan
        return self._plan[1]

    def _newest_plan(self) -> RoundPlan:
        assert self._plan is not None, "a client asks for its round's plan before it trains"
        return self._plan[1]
