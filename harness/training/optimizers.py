"""The optimizers, by the names that recipes use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from harness.errors import UsageError
from harness.library_internals.torch_foreach import copy_all
from harness.recipe import TrainSpec

BETAS = (0.9, 0.999)
EPSILON = 1e-8
"""Source: transformers `TrainingArguments` defaults, as are the betas."""

BLOCK_VALUES = 256
"""Values that share a scale of an 8-bit state. Source: bitsandbytes 0.50, blockwise optimizers."""

FEWEST_IN_8_BITS = 4096
"""Values below which a tensor's state has 32 bits. Source: bitsandbytes `min_8bit_size`."""


def make_optimizer(
    train: TrainSpec, parameters: Sequence[torch.nn.Parameter], rate: float
) -> torch.optim.Optimizer:
    """Return a fresh optimizer: a client keeps no state between rounds.

    The 8-bit and paged ones are bitsandbytes'. On a CPU there is nothing to page to, and the paged
    ones are their unpaged counterparts, with the same values.

    Args:
        train: gives the optimizer's name and the weight decay.
        parameters: the tensors to train; the adapter's are float32.
        rate: the round's learning rate; the trainer multiplies it step by step.

    Raises:
        UsageError: the optimizer's name is not known.
    """
    on_gpu = bool(parameters) and parameters[0].is_cuda
    # One kernel for all tensors on a GPU; a CPU's results stay those of torch's default.
    fused = True if on_gpu else None
    decay = train.weight_decay
    if train.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, weight_decay=decay, fused=fused)
    if train.optimizer == "adamw_torch":
        return torch.optim.AdamW(
            parameters, lr=rate, betas=BETAS, eps=EPSILON, weight_decay=decay, fused=fused
        )
    if train.optimizer == "adafactor":
        return torch.optim.Adafactor(parameters, lr=rate, weight_decay=train.weight_decay)
    if on_gpu:
        return Joined(parameters, rate, lambda joined: _bitsandbytes(train, joined, rate, True))
    return _bitsandbytes(train, parameters, rate, False)


def _bitsandbytes(
    train: TrainSpec, parameters: Sequence[torch.nn.Parameter], rate: float, on_gpu: bool
) -> torch.optim.Optimizer:
    import bitsandbytes.optim as bnb

    if train.optimizer in ("lion_8bit", "lion_32bit"):
        lion = bnb.Lion8bit if train.optimizer == "lion_8bit" else bnb.Lion32bit
        made: torch.optim.Optimizer = lion(parameters, lr=rate, weight_decay=train.weight_decay)
        return made

    kinds = {
        "adamw_8bit": bnb.AdamW8bit,
        "paged_adamw_8bit": bnb.PagedAdamW8bit if on_gpu else bnb.AdamW8bit,
        "paged_adamw_32bit": bnb.PagedAdamW32bit if on_gpu else bnb.AdamW32bit,
    }
    if train.optimizer not in kinds:
        raise UsageError(f"unknown optimizer {train.optimizer!r}; known: {', '.join(kinds)}")
    optimizer: torch.optim.Optimizer = kinds[train.optimizer](
        parameters, lr=rate, betas=BETAS, eps=EPSILON, weight_decay=train.weight_decay
    )
    return optimizer


class Joined(torch.optim.Optimizer):
    """An optimizer of bitsandbytes over a few long tensors that hold all trained ones.

    bitsandbytes launches kernels for each tensor, 216 of a DoRA adapter. Its 8-bit states have a
    scale for every 256 values, so where each tensor has a multiple of 256 values, no scale spans
    two of them and the values are those of separate tensors.
    """

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        rate: float,
        make: Callable[[Sequence[torch.nn.Parameter]], torch.optim.Optimizer],
    ) -> None:
        """Prepare; tensors are joined at the first step.

        Args:
            parameters: the tensors to train.
            rate: learning rate; the trainer changes it in `param_groups`.
            make: makes the optimizer of the long tensors.
        """
        super().__init__(parameters, {"lr": rate})
        self._parameters, self._make = parameters, make
        self._groups: list[list[torch.nn.Parameter]] = []
        self._long: list[torch.nn.Parameter] = []
        self._inner: torch.optim.Optimizer | None = None

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # as trainers call it
        """Change the tensors that have gradients: the same ones at each step."""
        if self._inner is None:
            self._groups = _alike([p for p in self._parameters if p.grad is not None])
            self._long = [torch.nn.Parameter(_joined(group)) for group in self._groups]
            self._inner = self._make(self._long)
        for long, group in zip(self._long, self._groups, strict=True):
            long.copy_(_joined(group))
            long.grad = _joined([_gradient(p) for p in group])
        for settings in self._inner.param_groups:
            settings["lr"] = self.param_groups[0]["lr"]
        self._inner.step()
        for long, group in zip(self._long, self._groups, strict=True):
            copy_all(group, torch.split(long, [p.numel() for p in group]))


def _alike(parameters: Sequence[torch.nn.Parameter]) -> list[list[torch.nn.Parameter]]:
    """Return tensors in groups that may be joined."""
    groups: dict[object, list[torch.nn.Parameter]] = {}
    for number, parameter in enumerate(parameters):
        size = parameter.numel()
        whole = size % BLOCK_VALUES == 0
        kind: object = "short" if size < FEWEST_IN_8_BITS else "long" if whole else number
        groups.setdefault(kind, []).append(parameter)
    return list(groups.values())


def _joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    assert parameter.grad is not None, "a tensor has a gradient at each step or at none"
    return parameter.grad
