"""Small runs of any strategy: clients fit low-rank matrices by gradient descent, in one process.

Client i has for each layer a matrix T_i = T + skew E_i and minimises the mean over layers of
||s B A + H - T_i||^2 / ||T||^2, H being what the strategy adds beside the base. T and E_i have
the rank of the adapter. It is the smallest problem in which averages of factors and of products
differ as they do in a model, and no more: what holds here may not hold there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.components import HISTORY, StrategyContext, StrategyMethod
from harness.document import Document
from harness.errors import UsageError
from harness.federation.rehearsal.clients import Arrays
from harness.federation.rehearsal.small_federation import SmallFederation
from harness.federation.simulation.flower_log import no_flower_log
from harness.planning.component_checks import clients_objection, round_plan
from harness.planning.forecast import message_bytes
from harness.plugins import find_strategy, load, validated_params
from harness.recipe import FILE_PLUGIN, Choice
from harness.replication.replication import Replication
from harness.spec import derived_seed
from harness.testing.strategy_checks import sample_context

A_SUFFIX = ".lora_A.weight"
SCALE = 2.0
"""alpha / r of the kit's LoRA."""


def run_small(replication: Replication, arm: str, seed: int) -> dict[str, float]:
    """Return what one arm measures at one seed: loss, bytes and inexactness.

    Args:
        replication: the file.
        arm: one of its arms.
        seed: decides the clients' matrices, the first adapter and every draw.

    Raises:
        UsageError: the arm sets something that a small run has not, or its strategy is not made for
            so many clients.
        PluginError: there is no such strategy, or it contradicts itself.
    """
    method, params = _strategy(replication.arms[arm], arm)
    name = replication.arms[arm]["strategy"]
    if problem := clients_objection(name, method, params, replication.clients):
        raise UsageError(f"arm {arm}, clients = {replication.clients}: strategy {name}: {problem}")
    context = sample_context(method, load(name.partition("/")[0]))
    if context is None:
        raise UsageError(f"arm {arm}: its strategy takes none of the kit's adapters")
    context = replace(
        context,
        num_supernodes=replication.clients,
        clients_per_round=replication.clients,
        fraction=1.0,
        rounds=replication.rounds,
        seed=seed,
    )
    with no_flower_log(), np.errstate(over="ignore", invalid="ignore"):
        return _Run(replication, method, params, context).measure()


def _strategy(settings: dict[str, Any], arm: str) -> tuple[StrategyMethod, Document]:
    """Return an arm's strategy and its parameters."""
    name = settings.get("strategy")
    odd = [key for key in settings if key != "strategy" and not key.startswith("strategy.")]
    if not isinstance(name, str) or "/" not in name or odd:
        raise UsageError(
            f'arm {arm}: expected strategy = "plugin/name" and parameters of it'
            f' ({", ".join(odd) or "no strategy"}); other settings need engine = "run"'
        )
    found = find_strategy(name, FILE_PLUGIN)
    given = {key.removeprefix("strategy."): v for key, v in settings.items() if key != "strategy"}
    choice = Choice(name=name, params=given)
    return found.value, validated_params(found.value.params, choice, f"arm {arm}")


class _Run:
    """One small run."""

    def __init__(
        self,
        replication: Replication,
        method: StrategyMethod,
        params: Document,
        context: StrategyContext,
    ) -> None:
        self.replication, self.method = replication, method
        self.params, self.context = params, context
        draw = np.random.default_rng(derived_seed(context.seed, "replication"))
        self.layers = [name for name in context.shapes if name.endswith(A_SUFFIX)]
        clients = range(replication.clients)
        self.targets: dict[str, list[Any]] = {}
        initial: Arrays = {}
        for a in self.layers:
            b = _b(a)
            (rank, width), height = context.shapes[a], context.shapes[b][0]
            shared = _low_rank(draw, height, width, rank)
            own = [_low_rank(draw, height, width, rank) for _ in clients]
            self.targets[a] = [shared + replication.skew * item for item in own]
            initial[a] = (draw.standard_normal((rank, width)) / width**0.5).astype(np.float32)
            initial[b] = np.zeros((height, rank), np.float32)
        self.examples = {i: int(draw.integers(50, 150)) for i in clients}
        self.federation = SmallFederation(
            method, params, context, self.train, self.examples,
            initial={name: initial[name] for name in context.shapes},
        )  # fmt: skip
        self.products: dict[int, dict[str, Any]] = {}

    def train(self, held: Arrays, round: int, partition: int) -> Arrays:
        """Descend on one client's matrices; the strategy's own loss term has no part in it."""
        plan = round_plan(self.method.name, self.method, self.params, self.context, round)
        rate = self.replication.learning_rate
        moved = {name: np.asarray(values, np.float64) for name, values in held.items()}
        self.products[partition] = {}
        for a in self.layers:
            b, beside = _b(a), _beside(held, a)
            for _ in range(self.replication.steps):
                error = SCALE * moved[b] @ moved[a] + beside - self.targets[a][partition]
                up, down = SCALE * error @ moved[a].T, SCALE * moved[b].T @ error
                if b in plan.train:
                    moved[b] = moved[b] - rate * up
                if a in plan.train:
                    moved[a] = moved[a] - rate * down
            self.products[partition][a] = SCALE * moved[b] @ moved[a] + beside
        returned = {name: values.astype(np.float32) for name, values in moved.items()}
        if not all(np.isfinite(values).all() for values in returned.values()):
            raise UsageError(
                f"{self.method.name}: clients diverged in round {round}; lower the file's"
                f" learning_rate ({rate:g})"
            )
        return returned

    def measure(self) -> dict[str, float]:
        """Run all rounds."""
        adapter, inexact, traffic = dict(self.federation.initial), 0.0, 0
        for number in range(1, self.context.rounds + 1):
            plan = round_plan(self.method.name, self.method, self.params, self.context, number)
            sizes = message_bytes(plan.down) + message_bytes(plan.up)
            traffic += self.replication.clients * sizes
            adapter = self.federation.play(adapter, number)
            inexact = max(inexact, self._inexactness(adapter))
        return {"loss": self._loss(adapter), "bytes": float(traffic), "inexactness": inexact}

    def _inexactness(self, adapter: Arrays) -> float:
        total = sum(self.examples.values())
        apart = whole = 0.0
        for a in self.layers:
            mean = sum(n / total * self.products[i][a] for i, n in self.examples.items())
            apart += float(np.sum((_product(adapter, a) - mean) ** 2))
            whole += float(np.sum(mean**2))
        return float((apart / whole) ** 0.5)

    def _loss(self, adapter: Arrays) -> float:
        """The mean over clients, weighted by examples, with what the server holds."""
        total, loss = sum(self.examples.values()), 0.0
        for a in self.layers:
            product = _product(adapter, a)
            for client, count in self.examples.items():
                target = self.targets[a][client]
                loss += count / total * float(np.sum((product - target) ** 2))
        return loss / len(self.layers)


def _b(a: str) -> str:
    return a.replace(".lora_A.", ".lora_B.")


def _beside(held: Arrays, a: str) -> Any:
    if HISTORY + a not in held:
        return 0.0
    return np.asarray(held[HISTORY + _b(a)], np.float64) @ held[HISTORY + a]


def _product(adapter: Arrays, a: str) -> Any:
    return SCALE * np.asarray(adapter[_b(a)], np.float64) @ adapter[a]


def _low_rank(draw: np.random.Generator, height: int, width: int, rank: int) -> Any:
    """Return a random matrix of this rank and of length 1."""
    found = draw.standard_normal((height, rank)) @ draw.standard_normal((rank, width))
    return found / np.linalg.norm(found)
