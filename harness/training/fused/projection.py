"""One linear layer of a fused step, with or without an adapter: forward and backward by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear

Functions = Mapping[str, Callable[..., Any]]
"""`functions.PLAIN`, or the same compiled."""


@dataclass(slots=True)
class Factors:
    """An adapter of one layer, y = c (W x + s B A d(x)); see `lowrank`."""

    a: torch.nn.Parameter
    """(r, in) float32."""
    b: torch.nn.Parameter
    """(out, r) float32."""
    magnitude: torch.nn.Parameter | None
    """m, (out,) float32."""
    squares: torch.Tensor | None
    """||W||^2 by rows, (out,) float32, where there is a magnitude."""
    scaling: float
    dropped: int
    """Dropout's rate, see `functions.keep`; 0 for none."""
    place: int
    """Number of the layer among those with an adapter: its seed."""


@dataclass(slots=True)
class StepFactors:
    """What a step makes of an adapter before its first layer."""

    a: torch.Tensor
    """A in the type of the products."""
    b: torch.Tensor
    """B in that type."""
    b_gram: torch.Tensor | None
    """B A A^T, (out, r), where there is a magnitude."""
    seed: torch.Tensor | None
    """Of dropout, (1,) int32."""


@dataclass(slots=True)
class Saved:
    """What a layer's backward pass needs."""

    low_rows: torch.Tensor
    low: torch.Tensor
    before: torch.Tensor
    """The result before DoRA's scaling, (T, out)."""
    scale: torch.Tensor | None
    norms: torch.Tensor | None


class Projection:
    """y = W x, or with an adapter; W is frozen."""

    def __init__(self, weight: Callable[[], torch.Tensor], factors: Factors | None) -> None:
        """Describe a layer.

        Args:
            weight: returns W, (out, in), in the type of the products.
            factors: its adapter, or None.
        """
        self.weight, self.factors = weight, factors
        self.step: StepFactors | None = None

    def enter(self, rows: torch.Tensor, use: Functions) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the inputs of both products; see `functions.entering`."""
        if self.factors is None:
            return rows, rows
        return use["entering"](rows, *self.entry_arguments())  # type: ignore[no-any-return]

    def entry_arguments(self) -> tuple[torch.Tensor | None, torch.Tensor | None, int]:
        """Return A where W A^T is wanted, dropout's seed, and how much is dropped."""
        if self.factors is None or self.step is None:
            return None, None, 0
        a = None if self.factors.magnitude is None else self.step.a
        return a, self.step.seed, self.factors.dropped

    def forward(
        self, rows: torch.Tensor, low_rows: torch.Tensor, use: Functions
    ) -> tuple[torch.Tensor, Saved | None]:
        """Return the result before DoRA's scaling, (T, out), and what the way back needs.

        Args:
            rows: (T, in), for DoRA with A's r rows below them.
            low_rows: (T, in) after dropout.
            use: the functions.
        """
        whole = linear(rows, self.weight())
        if self.factors is None or self.step is None:
            return whole, None
        tokens = low_rows.shape[0]
        result, scale, norms = whole[:tokens], None, None
        if self.factors.magnitude is not None:
            scale, norms = use["dora_scale"](
                self.factors.magnitude, whole[tokens:], self.factors.b, self.step.b_gram,
                self.factors.squares, self.factors.scaling,
            )  # fmt: skip
        low = linear(low_rows, self.step.a)
        result.addmm_(low, self.step.b.T, alpha=self._low_scaling)
        return result, Saved(low_rows, low, result, scale, norms)

    @property
    def _low_scaling(self) -> float:
        assert self.factors is not None
        return self.factors.scaling / (1 - self.factors.dropped / 2**16)

    def backward(
        self,
        grad: torch.Tensor,
        grad_scale: torch.Tensor | None,
        saved: Saved | None,
        into: torch.Tensor | None,
        wanted: bool,
        grads: Callable[[torch.nn.Parameter, torch.Tensor], None],
        use: Functions,
    ) -> torch.Tensor | None:
        """Return the gradient of the layer's input, (T, in), or None where it is not wanted.

        Args:
            grad: of the result before scaling, (T, out).
            grad_scale: of DoRA's c, (out,) float32, or None.
            saved: of `forward`.
            into: gradient of the same input by another layer, which is added to; or None.
            wanted: whether the input's gradient is.
            grads: takes the gradient of a parameter.
            use: the functions.
        """
        if wanted:
            weight = self.weight()
            into = grad @ weight if into is None else into.addmm_(grad, weight)
        factors, step = self.factors, self.step
        if factors is None or step is None or saved is None:
            return into
        if factors.magnitude is not None and factors.magnitude.requires_grad:
            assert grad_scale is not None
            assert saved.norms is not None
            grads(factors.magnitude, grad_scale / saved.norms)
        if factors.b.requires_grad:
            grads(factors.b, (grad.T @ saved.low).mul_(self._low_scaling))
        if not (factors.a.requires_grad or wanted):
            return into
        scaled = (grad @ step.b).mul_(self._low_scaling)
        if factors.a.requires_grad:
            grads(factors.a, scaled.T @ saved.low_rows)
        if not wanted:
            return into
        assert into is not None
        if step.seed is None:
            return into.addmm_(scaled, step.a)
        return use["add_kept"](  # type: ignore[no-any-return]
            into, scaled @ step.a, step.seed, factors.dropped
        )
