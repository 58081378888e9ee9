"""The strategies of plugins/federated-lora against their papers' formulas, written anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("harness_federated_lora", reason="plugins/federated-lora is not installed")

from harness_federated_lora.strategies import STRATEGIES

from harness.components import StrategyContext, StrategyMethod
from harness.federation.rehearsal.clients import Arrays, drift
from harness.federation.rehearsal.small_federation import SmallFederation
from harness.plugins import load
from harness.testing.strategy_checks import check_strategy, sample_context

BY_NAME = {item.name: item for item in STRATEGIES}
EXAMPLES = {0: 10, 1: 30, 2: 60}
SCALE = 2.0


def context_of(method: StrategyMethod) -> StrategyContext:
    context = sample_context(method, load("federated-lora"))
    assert context is not None
    return replace(context, num_supernodes=3, clients_per_round=3, fraction=1.0)


class Heard(SmallFederation):
    """A federation that remembers what its clients held and returned."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.returned: dict[int, Arrays] = {}
        self.held: dict[int, Arrays] = {}
        move = drift(0.05, 3)

        def train(adapter: Arrays, round: int, partition: int) -> Arrays:
            self.held[partition] = adapter
            self.returned[partition] = move(adapter, round, partition)
            return self.returned[partition]

        self.clients.train = train


def play(name: str, rounds: int = 1) -> tuple[Heard, Arrays]:
    method = BY_NAME[name]
    params = method.params()
    federation = Heard(method, params, context_of(method), drift(0), EXAMPLES)
    return federation, federation.rounds(rounds)


def layers(arrays: Arrays) -> list[tuple[str, str]]:
    return [(a, a.replace("lora_A", "lora_B")) for a in arrays if a.endswith("lora_A.weight")]


def mean(federation: Heard, value: Any) -> Any:
    """sum_i (n_i / n) value(what client i returned)."""
    share = {p: n / sum(EXAMPLES.values()) for p, n in EXAMPLES.items()}
    return sum(
        share[p] * value({n: np.float64(v) for n, v in r.items()})
        for p, r in federation.returned.items()
    )


@pytest.mark.parametrize("name", list(BY_NAME))
def test_the_kit_finds_nothing_wrong(name: str) -> None:
    assert [str(item) for item in check_strategy(BY_NAME[name], load("federated-lora"))] == []


def test_fedex_lora_is_exact_in_every_round() -> None:
    """W0 + s B A after a round is W0 before it and the mean of the clients' products."""
    federation, before = play("fedex-lora")
    for number in (1, 2, 3):
        after = before if number == 1 else federation.play(before, number)
        for a, b in layers(federation.initial):
            rank = federation.initial[a].shape[0]
            history = 0.0 if number == 1 else before[b][:, rank:] @ before[a][rank:]
            wanted = history + mean(federation, lambda r, a=a, b=b: r[b] @ r[a])
            assert np.allclose(after[b] @ after[a], wanted, atol=1e-5)
            assert np.allclose(after[a][:rank], mean(federation, lambda r, a=a: r[a]), atol=1e-6)
            assert after[a].shape[0] == rank * (1 + 4 * number)
            if number > 1:
                held = federation.held[0]
                beside = held["history/" + b] @ held["history/" + a]
                assert np.allclose(beside, SCALE * history, atol=1e-5)
        before = after


def test_fedsvd_keeps_the_product_and_makes_a_orthonormal() -> None:
    federation, after = play("fedsvd")
    for a, b in layers(after):
        product = mean(federation, lambda r, b=b: r[b]) @ np.float64(federation.initial[a])
        u, s, vt = np.linalg.svd(product, full_matrices=False)
        rank = len(after[a])
        assert np.allclose(after[b] @ after[a], product, atol=1e-6)
        assert np.allclose(after[a] @ after[a].T, np.eye(rank), atol=1e-5)
        assert np.allclose(np.abs(after[a] @ vt[:rank].T), np.eye(rank), atol=1e-3)
        assert np.allclose(np.linalg.norm(after[b], axis=0), s[:rank], atol=1e-5)
        assert u.shape[0] == len(product)


def test_lora_fair_corrects_b_to_the_least_squares() -> None:
    """The objective is flat at the correction and higher beside it."""
    federation, after = play("lora-fair")
    penalty = 0.01
    for a, b in layers(after):
        ideal = mean(federation, lambda r, a=a, b=b: r[b] @ r[a])
        average, mean_a = (
            mean(federation, lambda r, b=b: r[b]),
            mean(federation, lambda r, a=a: r[a]),
        )
        assert np.allclose(after[a], mean_a, atol=1e-6)

        def objective(
            d: Any, ideal: Any = ideal, average: Any = average, mean_a: Any = mean_a
        ) -> float:
            missing = ideal - (average + d) @ mean_a
            return float(np.sum(missing**2) + penalty * np.sum(d**2))

        found = after[b] - average
        draw = np.random.default_rng(0)
        for _ in range(5):
            aside = 1e-2 * draw.standard_normal(found.shape)
            rise = objective(found + aside) + objective(found - aside) - 2 * objective(found)
            slope = objective(found + aside) - objective(found - aside)
            assert rise > 0
            assert abs(slope) < 1e-2 * rise
        assert objective(found) < objective(0 * found)


def test_hetlora_sends_ranks_and_weighs_by_length() -> None:
    federation, after = play("hetlora")
    for a, b in layers(after):
        rank = len(federation.initial[a])
        for partition, share in enumerate((1.0, 0.5, 0.25)):
            own = round(share * rank)
            assert not federation.held[partition][a][own:].any()
            assert not federation.held[partition][b][:, own:].any()
            assert np.array_equal(federation.held[partition][a][:own], federation.initial[a][:own])
        lengths = {
            p: np.linalg.norm(np.float64(r[b]) @ np.float64(r[a]))
            for p, r in federation.returned.items()
        }
        for name in (a, b):
            wanted = sum(lengths[p] * r[name] for p, r in federation.returned.items())
            assert np.allclose(after[name], wanted / sum(lengths.values()), atol=1e-6)


def test_rebased_is_what_pefts_conversion_makes() -> None:
    """[B, -B_0] [A; A_0]: the mean of what was trained, less the start, in every round."""
    federation, after = play("rebased", rounds=2)
    for a, b in layers(after):
        start_a, start_b = federation.initial[a], federation.initial[b]
        mean_a = mean(federation, lambda r, a=a: r[a])
        mean_b = mean(federation, lambda r, b=b: r[b])
        assert np.allclose(after[b] @ after[a], mean_b @ mean_a - start_b @ start_a, atol=1e-5)
        assert after[a].shape[0] == 2 * len(start_a)
        held = federation.held[1]
        beside = held["history/" + b] @ held["history/" + a]
        assert np.allclose(beside, -SCALE * start_b @ start_a, atol=1e-5)
