"""Each aggregation of ours equals the paper's formula, computed densely in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from harness_standard.aggregation.algebra import best_rank, stack, weighted_mean
from harness_standard.aggregation.flexlora import flexlora
from harness_standard.factors import a_names, b_names, pairs, scaling
from harness_standard.strategies import STRATEGIES
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.components import StrategyContext
from harness.federation.rehearsal.clients import drift
from harness.federation.rehearsal.small_federation import SmallFederation
from harness.testing.samples import LORA_PARAMS, lora_shapes

METHODS = {method.name: method for method in STRATEGIES}
STEM = "base_model.model.model.layers.0.mlp.up_proj"
A, B = f"{STEM}.lora_A.weight", f"{STEM}.lora_B.weight"
WEIGHTS = {0: 300, 1: 100, 2: 50, 3: 250}

CONTEXT = StrategyContext(
    num_supernodes=4,
    clients_per_round=4,
    fraction=1.0,
    rounds=3,
    seed=11,
    shapes=lora_shapes(),
    peft_method="standard/lora",
    peft_params=LORA_PARAMS,
)


def clients(count, ranks, out, size, seed=0):
    draw = np.random.default_rng(seed)
    return [
        {
            A: draw.standard_normal((rank, size)).astype(np.float32),
            B: draw.standard_normal((out, rank)).astype(np.float32),
        }
        for _, rank in zip(range(count), ranks, strict=True)
    ]


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("ranks", [(4, 4, 4), (2, 8, 5)], ids=["same-ranks", "mixed-ranks"])
@pytest.mark.parametrize(("out", "size"), [(40, 24), (24, 40), (9, 64), (16, 16)])
@pytest.mark.parametrize("method", ["standard/lora", "standard/rslora"])
def test_flexlora_is_the_truncated_svd_of_the_mean_product(ranks, out, size, method):
    updates, weights, rank = clients(3, ranks, out, size), [5, 1, 2], 4
    scales = [scaling(method, {"r": r, "alpha": 16}) for r in ranks]
    s = scaling(method, {"r": rank, "alpha": 16})
    new = flexlora(updates, weights, scales, rank, s)

    dense = sum(
        w / 8 * scale * u[B].astype(np.float64) @ u[A].astype(np.float64)
        for w, scale, u in zip(weights, scales, updates, strict=True)
    )
    left, values, right = np.linalg.svd(dense)
    expected = left[:, :rank] * values[:rank] @ right[:rank]
    assert new[A].shape == (rank, size)
    assert new[B].shape == (out, rank)
    assert relative(s * new[B].astype(np.float64) @ new[A].astype(np.float64), expected) < 1e-6
    # The split: B takes the singular values, A is orthonormal.
    np.testing.assert_allclose(new[A] @ new[A].T, np.eye(rank), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(new[B], axis=0), values[:rank] / s, rtol=1e-5)


def test_flexlora_tells_a_from_b_by_name_on_a_square_layer():
    """Rank and sides alike: by shape, A and B could not be told apart."""
    updates = clients(2, (8, 8), 8, 8)
    new = flexlora(updates, [1, 1], [1.0, 1.0], 8, 1.0)
    dense = sum(u[B].astype(np.float64) @ u[A] for u in updates) / 2
    assert relative(new[B].astype(np.float64) @ new[A], dense) < 1e-6
    swapped = sum(u[A].astype(np.float64) @ u[B] for u in updates) / 2
    assert relative(new[B].astype(np.float64) @ new[A], swapped) > 0.1


def test_flexlora_fills_a_rank_that_the_clients_do_not_reach():
    updates = clients(1, (2,), 12, 10)
    new = flexlora(updates, [1], [1.0], 6, 1.0)
    assert new[A].shape == (6, 10)
    assert relative(new[B].astype(np.float64) @ new[A], updates[0][B] @ updates[0][A]) < 1e-6


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 2**16))
def test_stacking_is_the_exact_sum_of_products(ranks, seed):
    updates = clients(len(ranks), ranks, 7, 11, seed)
    factors = np.random.default_rng(seed).random(len(ranks))
    left, right = stack([u[B] for u in updates], [u[A] for u in updates], list(factors))
    dense = sum(
        f * u[B].astype(np.float64) @ u[A].astype(np.float64)
        for f, u in zip(factors, updates, strict=True)
    )
    assert left.shape == (7, sum(ranks))
    np.testing.assert_allclose(left @ right, dense, rtol=1e-12, atol=1e-12)


def test_best_rank_gives_equal_factors_for_equal_input():
    left, right = np.random.default_rng(0).random((2, 6, 6))
    one, other = best_rank(left, right, 3), best_rank(left.copy(), right.copy(), 3)
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)
        assert (one[1][np.arange(3), np.abs(one[1]).argmax(axis=1)] > 0).all()


def test_weighted_mean_is_the_sum_by_examples():
    updates = clients(3, (4, 4, 4), 5, 6)
    found = weighted_mean(updates, [1, 2, 7], [A, B])
    for name in (A, B):
        dense = sum(w * u[name].astype(np.float64) for w, u in zip((1, 2, 7), updates, strict=True))
        np.testing.assert_allclose(found[name], dense / 10, rtol=1e-6)


def test_names_decide_what_is_a_factor():
    shapes = lora_shapes()
    assert len(pairs(tuple(shapes))) == len(a_names(shapes)) == len(b_names(shapes)) == 4
    with pytest.raises(ValueError, match="expected both factors"):
        pairs((A,))


class Watched(SmallFederation):
    """A federation that keeps what each client received and returned."""

    def __init__(self, name, context=CONTEXT, **params):
        method = METHODS[name]
        self.seen = {}
        super().__init__(method, method.params(**params), context, self.watch, WEIGHTS)

    def watch(self, adapter, round, partition):
        trained = drift(0.05)(adapter, round, partition)
        self.seen[round, partition] = (adapter, trained)
        return trained

    def mean(self, round, name):
        total = sum(WEIGHTS.values())
        return sum(
            n / total * self.seen[round, p][1][name].astype(np.float64) for p, n in WEIGHTS.items()
        )


def test_flora_s_adapter_is_the_exact_sum_over_clients_and_rounds():
    """W + s B A of the stack is W + sum over rounds and clients of s p_i B_i A_i, densely."""
    federation = Watched("flora")
    adapter = dict(federation.initial)
    for number in (1, 2, 3):
        adapter = federation.play(adapter, number)
    for a, b in pairs(tuple(federation.initial)):
        assert adapter[a].shape[0] == 3 * 4 * LORA_PARAMS["r"]
        dense = sum(
            n / 700 * trained[b].astype(np.float64) @ trained[a].astype(np.float64)
            for (_, p), (_, trained) in federation.seen.items()
            for n in (WEIGHTS[p],)
        )
        assert relative(adapter[b].astype(np.float64) @ adapter[a], dense) < 1e-6
        # What clients of round 3 were sent is what rounds 1 and 2 had made, scale included.
        early = sum(
            WEIGHTS[p] / 700 * trained[b].astype(np.float64) @ trained[a].astype(np.float64)
            for (number, p), (_, trained) in federation.seen.items()
            if number < 3
        )
        held = federation.seen[3, 0][0]
        product = held["history/" + b].astype(np.float64) @ held["history/" + a]
        assert relative(product, 2.0 * early) < 1e-6


def test_ffa_lora_averages_b_and_leaves_a():
    federation = Watched("ffa-lora")
    after = federation.rounds(1)
    for a, b in pairs(tuple(after)):
        np.testing.assert_array_equal(after[a], federation.initial[a])
        np.testing.assert_allclose(after[b], federation.mean(1, b), rtol=1e-6)
        # The point of the paper: the mean of the products is the product of the means.
        products = sum(
            n / 700 * federation.seen[1, p][1][b].astype(np.float64) @ federation.initial[a]
            for p, n in WEIGHTS.items()
        )
        assert relative(after[b].astype(np.float64) @ after[a], products) < 1e-6


def test_rolora_alternates_b_then_a():
    federation = Watched("rolora")
    first = federation.play(dict(federation.initial), 1)
    second = federation.play(first, 2)
    for a, b in pairs(tuple(first)):
        np.testing.assert_array_equal(first[a], federation.initial[a])
        np.testing.assert_allclose(first[b], federation.mean(1, b), rtol=1e-6)
        np.testing.assert_array_equal(second[b], first[b])
        np.testing.assert_allclose(second[a], federation.mean(2, a), rtol=1e-6)


def test_fedsa_lora_shares_a_and_keeps_b_at_home():
    federation = Watched("fedsa-lora")
    adapter = dict(federation.initial)
    for number in (1, 2, 3):
        adapter = federation.play(adapter, number)
        for a, b in pairs(tuple(adapter)):
            np.testing.assert_allclose(adapter[a], federation.mean(number, a), rtol=1e-6)
            if number > 1:  # each client goes on from its own B, not from anyone else's
                for partition in range(4):
                    received = federation.seen[number, partition][0][b]
                    np.testing.assert_array_equal(
                        received, federation.seen[number - 1, partition][1][b]
                    )
            if number < 3:
                np.testing.assert_array_equal(adapter[b], federation.initial[b])
            else:
                np.testing.assert_allclose(adapter[b], federation.mean(3, b), rtol=1e-6)


def test_scaffold_follows_option_ii():
    """Three rounds of two of four clients, against the paper's updates written out in float64."""
    from harness.federation.rehearsal.clients import RATE, STEPS

    context = replace(CONTEXT, clients_per_round=2, fraction=0.5)
    federation = Watched("scaffold", context, server_learning_rate=0.7)
    x = {n: v.astype(np.float64) for n, v in federation.initial.items()}
    c = {n: np.zeros_like(v) for n, v in x.items()}
    mine = {p: {n: np.zeros_like(v) for n, v in x.items()} for p in range(4)}
    adapter = dict(federation.initial)
    for number in (1, 2, 3):
        adapter = federation.play(adapter, number)
        sampled = [p for p in range(4) if (number, p) in federation.seen]
        assert len(sampled) == 2
        change = {n: np.zeros_like(v) for n, v in x.items()}
        step = {n: np.zeros_like(v) for n, v in x.items()}
        for p in sampled:
            for n in x:
                y = federation.seen[number, p][1][n].astype(np.float64)
                new = mine[p][n] - c[n] + (x[n] - y) / (STEPS * RATE)
                change[n] += (new - mine[p][n]) / 2
                step[n] += (y - x[n]) / 2
                mine[p][n] = new
        for n in x:
            x[n] = x[n] + 0.7 * step[n]
            c[n] = c[n] + 2 / 4 * change[n]
            np.testing.assert_allclose(adapter[n], x[n], rtol=1e-5, atol=1e-6)
            # float32 states divided by K * eta = 0.004 keep five digits.
            np.testing.assert_allclose(federation.strategy.control[n], c[n], rtol=1e-3, atol=1e-2)


def test_scaffold_s_loss_term_has_the_correction_as_its_gradient():
    import torch

    method = METHODS["scaffold"]
    loss = method.local_objective(method.params()).loss
    w = torch.randn(3, 2, requires_grad=True)
    c, c_i = torch.randn(3, 2), torch.randn(3, 2)
    loss({"w": w}, {"control/w": c, "client-control/w": c_i, "w": w.detach()}).backward()
    torch.testing.assert_close(w.grad, c - c_i)


def test_fedprox_s_term_is_half_mu_times_the_squared_distance():
    import torch

    method = METHODS["fedprox"]
    objective = method.local_objective(method.params(mu=0.3))
    w = {n: torch.randn(4, 2, requires_grad=True) for n in "ab"}
    start = {n: torch.randn(4, 2) for n in "ab"}
    value = objective.loss(w, start)
    dense = 0.15 * sum(((w[n] - start[n]) ** 2).sum().item() for n in "ab")
    assert value.item() == pytest.approx(dense, rel=1e-5)
    value.backward()
    torch.testing.assert_close(w["a"].grad, 0.3 * (w["a"].detach() - start["a"]))
    with pytest.raises(ValueError, match="greater than 0"):
        method.params(mu=0)


def test_client_side_clipping_is_the_server_s():
    """Both places clip the same update to the same norm, so without noise the aggregate is one."""
    values = [
        Watched(name, noise_multiplier=0.0, clipping_norm=0.05).rounds(2)
        for name in ("dp-client-side", "dp-server-side")
    ]
    for name in values[0]:
        np.testing.assert_allclose(values[0][name], values[1][name], rtol=1e-5, atol=1e-7)
    moved = np.sqrt(
        sum(np.sum((values[0][n] - Watched("fedavg").initial[n]) ** 2.0) for n in values[0])
    )
    assert 0 < moved <= 2 * 0.05


def test_server_optimizers_stay_in_float32():
    """Flower's own FedAdam returns float64 with numpy 2: twice the bytes from round 2 on."""
    for name in ("fedadam", "fedyogi", "fedadagrad", "qfedavg", "fedavgm"):
        after = Watched(name).rounds(2)
        assert {value.dtype for value in after.values()} == {np.dtype("float32")}
