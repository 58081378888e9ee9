"""Checks of one extension, on small tensors and rows: one law or two for each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.components import (
    ClientRanks,
    ClientRows,
    LocalLoop,
    LocalOptimizer,
    Loss,
    LossInput,
    RankContext,
)
from harness.errors import HarnessError
from harness.planning.extension_checks import one_rank, refuse_other_rank
from harness.plugins import Bound, Loaded
from harness.recipe import TrainSpec
from harness.spec import RunSpec
from harness.testing.problem import Problem
from harness.testing.samples import SMALL_RANK, sample_extension_params

Check = Callable[[Bound], Iterator[tuple[str, str]]]

STEPS = 3
RATE = 0.01
SUPERNODES = 8
ROWS = tuple(
    {"instruction": "Is it so?", "input": f"Row {n} " * (n % 5 + 1), "output": word}
    for n, word in enumerate(("yes", "no", "perhaps") * 4)
)


def check_extension(kind: str, item: Any, plugin: Loaded) -> Iterator[Problem]:
    """Yield what is wrong with an extension.

    Args:
        kind: field of a recipe's `extensions`.
        item: the component.
        plugin: whose it is.
    """
    subject = f"{kind} {item.name}"
    try:
        params = sample_extension_params(kind, item, plugin)
    except HarnessError as error:
        yield Problem(subject, "params", str(error))
        return
    part = Bound(f"{plugin.ref.name}/{item.name}", item, params)
    try:
        for check, found in CHECKS[type(item)](part):
            yield Problem(subject, check, found)
    except HarnessError as error:
        yield Problem(subject, "contract", str(error))


def _loss(part: Bound) -> Iterator[tuple[str, str]]:
    """A token's loss is its own, finite, repeats, and follows the labels."""
    import torch

    from harness.training.extensions.own_loss import refuse_blind, token_losses

    tokens, vocabulary = 6, 11

    def given(rows: slice = slice(None), scale: float = 1.0) -> LossInput:
        draw = torch.Generator().manual_seed(7)
        logits = scale * torch.randn(tokens, vocabulary, generator=draw)
        base = logits + 0.1 * torch.randn(tokens, vocabulary, generator=draw)
        targets = torch.randint(vocabulary, (tokens,), generator=draw)
        return LossInput(
            logits[rows].requires_grad_(True),
            targets[rows],
            base[rows] if part.value.reads_base else None,
        )

    whole = given()
    losses = token_losses(part, whole, "on a sample")
    refuse_blind(part, whole, losses, "on a sample")
    # Logits of a trained model reach tens; 1e4 stands for one that has run away.
    token_losses(part, given(scale=1e4), "on large logits")
    if not torch.equal(losses, token_losses(part, given(), "again")):
        yield "repeats", "two calls with the same tokens give different losses"
    halves = [token_losses(part, given(rows), "in halves")
              for rows in (slice(0, tokens // 2), slice(tokens // 2, None))]  # fmt: skip
    if not torch.allclose(torch.cat(halves), losses, rtol=1e-5, atol=1e-6):
        yield "each-token", "a token's loss depends on the other tokens of its batch"
    gradient = torch.autograd.grad(losses.sum(), whole.logits)[0]
    if not bool(torch.isfinite(gradient).all()) or not bool(gradient.abs().sum() > 0):
        yield "gradient", "the gradient of the logits is zero or not finite"


def _sample_tensors() -> Any:
    import torch

    draw = torch.Generator().manual_seed(3)
    shapes = {
        "layer.lora_A.weight": (SMALL_RANK, 12),
        "layer.lora_B.weight": (8, SMALL_RANK),
        "layer.lora_magnitude_vector.weight": (8,),
    }
    return {name: torch.nn.Parameter(torch.randn(shape, generator=draw))
            for name, shape in shapes.items()}  # fmt: skip


def _stepped(part: Bound, rate: float) -> Any:
    """Return sample tensors after some steps of an optimizer, and a frozen one's checksum kept."""
    import torch

    from harness.training.extensions.own_optimizer import OwnOptimizer

    tensors = _sample_tensors()
    frozen = torch.ones(16)
    optimizer = OwnOptimizer(part, tensors, [frozen])
    draw = torch.Generator().manual_seed(5)
    for _ in range(STEPS):
        for tensor in tensors.values():
            tensor.grad = torch.randn(tensor.shape, generator=draw)
        optimizer.step(rate)
        optimizer.zero_grad()
    optimizer.refuse_changes("on a sample")
    return tensors


def _optimizer(part: Bound) -> Iterator[tuple[str, str]]:
    """Every trained tensor moves, by the rate alone, and the same gradients give the same bytes."""
    import torch

    start, moved, again = _sample_tensors(), _stepped(part, RATE), _stepped(part, RATE)
    for name, values in moved.items():
        if torch.equal(values, start[name]):
            yield "moves", f"{name} of shape {tuple(values.shape)} does not move"
        if not bool(torch.isfinite(values).all()):
            yield "finite", f"{name} is not finite after {STEPS} steps"
        if not torch.equal(values, again[name]):
            yield "repeats", f"the same gradients give other values of {name}"
    for name, values in _stepped(part, 0.0).items():
        if not torch.equal(values, start[name]):
            yield "rate", f"{name} moves at a learning rate of zero; use the group's lr"


def _spec_of_rows() -> Any:
    class Sample:
        """What of a spec the arrangement of rows reads."""

        seed = 7
        train = TrainSpec(rounds=2, max_steps=2, batch_size=len(ROWS))

    return Sample()


def _rows(part: Bound) -> Iterator[tuple[str, str]]:
    """Rows stay the partition's, and a seed gives the same ones again."""
    from harness.training.extensions.own_rows import own_order, rewritten_rows

    spec: RunSpec = _spec_of_rows()
    rows = rewritten_rows(part, ROWS, 3, spec)
    if rows != rewritten_rows(part, ROWS, 3, spec):
        yield "repeats", "two calls of rewrite() with the same seed give different rows"
    if part.value.order is None:
        return
    for number in (1, 2):
        order = own_order(part, rows, 3, number, spec)
        if order != own_order(part, rows, 3, number, spec):
            yield "repeats", f"two calls of order() in round {number} give different orders"


def _ranks(part: Bound) -> Iterator[tuple[str, str]]:
    """A client has one rank, from 1 to the adapter's."""
    context = RankContext(SMALL_RANK, SUPERNODES, 7)
    first = [one_rank(part, number, context) for number in range(SUPERNODES)]
    for number in reversed(range(SUPERNODES)):
        refuse_other_rank(part, number, one_rank(part, number, context), first[number])
    yield from ()


def _looped(part: Bound, rate: float) -> Any:
    """Return sample tensors after a loop over the steps of a small quadratic problem."""
    import torch

    from harness.training.extensions.own_loop import run_loop
    from harness.training.steps import RoundSteps, Told, TorchStepper

    tensors = _sample_tensors()
    train = TrainSpec(max_steps=STEPS, max_grad_norm=1e6)

    def backward(step: int) -> torch.Tensor:
        loss = sum(((value - step) ** 2).mean() for value in tensors.values())
        assert isinstance(loss, torch.Tensor)
        torch.autograd.backward(loss)
        return loss.detach().double()

    torch.manual_seed(11)
    optimizer = TorchStepper(torch.optim.SGD(list(tensors.values()), lr=rate))
    steps = RoundSteps(train, rate, tensors, optimizer, backward, "on a sample", Told())
    run_loop(part, steps, 7, "on a sample")
    return tensors


def _loop(part: Bound) -> Iterator[tuple[str, str]]:
    """A loop takes every step, moves tensors by steps alone, and repeats itself."""
    import torch

    start, moved, again = _sample_tensors(), _looped(part, RATE), _looped(part, RATE)
    for name, values in moved.items():
        if not torch.equal(values, again[name]):
            yield "repeats", f"the same seed gives other values of {name}"
        if torch.equal(values, start[name]):
            yield "moves", f"{name} does not move"
    for name, values in _looped(part, 0.0).items():
        if not torch.allclose(values, start[name], rtol=1e-6, atol=1e-6):
            yield "rate", f"{name} moves at a learning rate of zero: let take() alone move it"


CHECKS: Mapping[type, Check] = {
    Loss: _loss,
    LocalOptimizer: _optimizer,
    ClientRows: _rows,
    ClientRanks: _ranks,
    LocalLoop: _loop,
}
"""Kind -> its check, which yields (name of the check, what was found)."""
