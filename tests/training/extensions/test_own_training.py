"""Extensions where clients train: each does what it says, is repeated, and is held to its word."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from harness.components import ClientRanks, ClientRows, LocalLoop, LocalOptimizer, Loss
from harness.document import Document
from harness.errors import HarnessError, PluginError
from harness.plugins import Bound

Make = Callable[..., Any]


class Nothing(Document):
    """No parameters."""


def bound(item: Any) -> Bound:
    return Bound(f"mine/{item.name}", item, Nothing())


def loss(function: Any, **more: Any) -> dict[str, Bound]:
    return {"loss": bound(Loss("a-loss", Nothing, function, **more))}


def optimizer(build: Any) -> dict[str, Bound]:
    return {"optimizer": bound(LocalOptimizer("an-optimizer", Nothing, build))}


def loop(run: Any, **more: Any) -> dict[str, Bound]:
    return {"loop": bound(LocalLoop("a-loop", Nothing, run, **more))}


def rows(**functions: Any) -> dict[str, Bound]:
    return {"rows": bound(ClientRows("some-rows", Nothing, **functions))}


def digest(arrays: dict[str, np.ndarray]) -> str:
    whole = hashlib.sha256()
    for name, values in arrays.items():
        whole.update(name.encode() + values.tobytes())
    return whole.hexdigest()


def plain(given: Any, params: Nothing) -> torch.Tensor:
    return cross_entropy(given.logits, given.targets, reduction="none")


def adamw(trained: Any, params: Nothing) -> torch.optim.Optimizer:
    return torch.optim.AdamW(list(trained.values()), lr=1.0, weight_decay=0.0)


def one_by_one(steps: Any, params: Nothing) -> None:
    for _ in range(steps.count):
        steps.gradients()
        steps.take()


SAME = {
    "optimizer": optimizer(adamw),
    "loop": loop(one_by_one),
    "rows": rows(rewrite=lambda row, index, context, params: row),
    "ranks": {"ranks": bound(ClientRanks("whole", Nothing, lambda number, context, params: 4))},
}


@pytest.mark.parametrize("kind", SAME)
def test_an_extension_that_does_what_the_harness_does_gives_its_bytes(
    kind: str, make_trainer: Make
) -> None:
    own = make_trainer()
    start = own.initial()
    ranks = (4,) * 6 if kind == "ranks" else None
    same = make_trainer(extensions=SAME[kind], client_ranks=ranks)
    assert digest(same.train(start, 1, 0).arrays) == digest(own.train(start, 1, 0).arrays)


def test_the_cross_entropy_as_a_loss_trains_alike_and_is_what_is_recorded(
    make_trainer: Make,
) -> None:
    own, same = make_trainer(), make_trainer(extensions=loss(plain))
    twice = make_trainer(extensions=loss(lambda given, params: 2 * plain(given, params)))
    start = own.initial()
    expected, found, other = (item.train(start, 1, 0) for item in (own, same, twice))
    for name, values in expected.arrays.items():
        np.testing.assert_allclose(found.arrays[name], values, rtol=2e-4, atol=2e-5)
    assert found.step_losses == pytest.approx(expected.step_losses, rel=1e-5)
    assert other.step_losses[0] == pytest.approx(expected.step_losses[0], rel=1e-5)


def test_a_loss_is_given_what_the_base_says(make_trainer: Make) -> None:
    seen = []

    def from_base(given: Any, params: Nothing) -> torch.Tensor:
        seen.append((given.logits.detach().clone(), given.base_logits))
        return plain(given, params)

    trainer = make_trainer(extensions=loss(from_base, reads_base=True), max_steps=2)
    start = trainer.initial()
    trainer.train(start, 1, 0)
    # Without dropout the first logits are the untrained adapter's; the labels are looked at once.
    assert torch.allclose(seen[0][0], seen[0][1], atol=1e-5)
    assert not torch.allclose(seen[-1][0], seen[-1][1], atol=1e-5)


def test_a_round_of_extensions_repeats_itself(make_trainer: Make) -> None:
    def noisy(steps: Any, params: Nothing) -> None:
        import random

        for _ in range(steps.count):
            steps.gradients()
            with torch.no_grad():
                for item in steps.trained.values():
                    item.grad.add_(
                        1e-3 * torch.randn_like(item) * random.random() * np.random.rand()
                    )
            steps.take()

    def shuffled(given: Any, context: Any, params: Nothing) -> list[int]:
        import random

        order = list(range(len(given)))
        random.Random(context.seed).shuffle(order)
        return order

    extensions = loop(noisy) | rows(order=shuffled)
    first, second = make_trainer(extensions=extensions), make_trainer(extensions=extensions)
    start = first.initial()
    whole = first.train(start, 1, 0)
    first.train(whole.arrays, 2, 1)
    assert digest(second.train(start, 1, 0).arrays) == digest(whole.arrays)
    assert digest(first.train(start, 1, 0).arrays) == digest(whole.arrays)
    assert digest(first.train(start, 2, 0).arrays) != digest(whole.arrays)


def test_a_client_of_a_smaller_rank_has_zeros_beyond_it(make_trainer: Make) -> None:
    part = bound(ClientRanks("two", Nothing, lambda number, context, params: 2 if number else 4))
    trainer = make_trainer(
        "lora", {"r": 4, "target_modules": ["q_proj"]},
        extensions={"ranks": part}, client_ranks=(4, 2, 2, 2, 2, 2),
    )  # fmt: skip
    start = trainer.initial()
    small, large = trainer.train(start, 1, 1).arrays, trainer.train(start, 1, 0).arrays
    for name, values in small.items():
        kept, beyond = (
            (values[:2], values[2:]) if "lora_A" in name else (values.T[:2], values.T[2:])
        )
        assert kept.any(), name
        assert not beyond.any(), name
    assert all(values[2:].any() for name, values in large.items() if "lora_A" in name)


def test_clients_start_from_the_adapter_of_a_warm_start(make_trainer: Make, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    cold = make_trainer()
    trained = cold.train(cold.initial(), 1, 0).arrays
    save_file(trained, tmp_path / "adapter_model.safetensors")
    warm = make_trainer(warm_start=tmp_path / "adapter_model.safetensors")
    assert digest(warm.initial()) == digest({n: trained[n] for n in cold.initial()})
    other = {name: values[..., :1].copy() for name, values in trained.items()}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(HarnessError, match="holds other tensors than the run"):
        make_trainer(warm_start=tmp_path / "other.safetensors")


def changes_frozen(trained: Any, params: Nothing) -> torch.optim.Optimizer:
    import gc

    class Greedy(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            super().step()
            for item in gc.get_objects():
                if type(item) is torch.nn.Embedding:
                    item.weight.data[0, 0] += 1e-3

    return Greedy(list(trained.values()), lr=1.0)


def leaves_out(trained: Any, params: Nothing) -> torch.optim.Optimizer:
    return torch.optim.SGD(list(trained.values())[1:], lr=1.0)


def has_others(trained: Any, params: Nothing) -> torch.optim.Optimizer:
    return torch.optim.SGD([*trained.values(), torch.nn.Parameter(torch.ones(2))], lr=1.0)


def never(steps: Any, params: Nothing) -> None:
    steps.gradients()
    steps.take()


def asks_twice(steps: Any, params: Nothing) -> None:
    steps.gradients()
    steps.gradients()


def too_many(steps: Any, params: Nothing) -> None:
    for _ in range(steps.count + 1):
        steps.gradients()
        steps.take()


BAD = {
    "not a number": (
        loss(lambda given, params: plain(given, params) * float("nan")),
        "loss mine/a-loss: partition 0, round 1: the loss of a token is not finite",
    ),
    "blind": (
        loss(lambda given, params: given.logits.square().mean(-1)),
        "loss mine/a-loss: partition 0, round 1: it is the same whatever the labels are",
    ),
    "a sum": (
        loss(lambda given, params: plain(given, params).sum()),
        r"loss mine/a-loss returned \(\) for \d+ tokens",
    ),
    "no gradient": (
        loss(lambda given, params: plain(given, params).detach()),
        "loss mine/a-loss does not depend on the logits",
    ),
    "frozen weights": (
        optimizer(changes_frozen),
        "optimizer mine/an-optimizer: partition 0, round 1: it changed weights that are frozen",
    ),
    "a tensor left out": (optimizer(leaves_out), "optimizer mine/an-optimizer leaves '.*' out"),
    "a tensor of its own": (
        optimizer(has_others),
        "optimizer mine/an-optimizer has 1 tensors in its groups that the round does not train",
    ),
    "fewer steps": (loop(never), "loop mine/a-loop: partition 0, round 1: took 1 of 2 steps"),
    "more steps": (loop(too_many), "loop mine/a-loop: .* asks for gradients after its 2 steps"),
    "more gradients": (loop(asks_twice), "asks for gradients more than 1 times before a step"),
    "a dropped row": (
        rows(order=lambda given, context, params: range(1, len(given))),
        r"rows mine/some-rows: order\(\) of partition 0 in round 1 leaves out row 0",
    ),
    "a repeated row": (
        rows(order=lambda given, context, params: [0, *range(len(given))]),
        r"rows mine/some-rows: order\(\) of partition 0 in round 1 names row 0 2 times",
    ),
    "a column more": (
        rows(rewrite=lambda row, index, context, params: row | {"more": ""}),
        r"rows mine/some-rows: rewrite\(\) of row 0 of partition 0 returned",
    ),
    "another rank": (
        {"ranks": bound(ClientRanks("moody", Nothing, lambda number, context, params: 3))},
        "client ranks mine/moody: partition 0 has rank 3 now and had 4 before",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_an_extension_that_breaks_its_word_is_named_in_one_line(
    case: str, make_trainer: Make
) -> None:
    extensions, words = BAD[case]

    def trained() -> None:
        trainer = make_trainer(extensions=extensions, client_ranks=(4,) * 6)
        trainer.train(trainer.initial(), 1, 0)

    with pytest.raises(PluginError, match=words) as caught:
        trained()
    assert "\n" not in str(caught.value)


def test_an_order_may_drop_and_repeat_where_it_says_so(make_trainer: Make) -> None:
    few = make_trainer(
        extensions=rows(order=lambda given, context, params: [1, 1, 0], repeats=True, drops=True)
    )
    assert len(few.train(few.initial(), 1, 0).step_losses) == 2
