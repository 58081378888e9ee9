"""One decoder layer of a fused step, forward and backward by hand.

    n1 = norm(x)            q, k, v = W n1, turned by position
    x2 = x + W_o attention(q, k, v)
    n2 = norm(x2)           h = silu(gate n2) * up n2
    x3 = x2 + c down h

x is float32 from layer to layer, as under autocast; the products are in the type of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.nn.functional import linear

from harness.training.fused.projection import Functions, Projection, Saved
from harness.training.fused.tree_attention import Attended, TreeAttention

QKV = ("q_proj", "k_proj", "v_proj")
NAMES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Frame:
    """What all layers of one step share."""

    cosine: torch.Tensor
    """(T, 1, size) float32."""
    sine: torch.Tensor
    attention: TreeAttention
    use: Functions
    grads: Callable[[torch.nn.Parameter, torch.Tensor], None]
    """Takes the gradient of a parameter."""


@dataclass(slots=True)
class Kept:
    """What a layer's backward pass needs of its forward pass."""

    x: torch.Tensor
    inverse: torch.Tensor
    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    attended: Attended
    x2: torch.Tensor
    inverse2: torch.Tensor
    gate: torch.Tensor
    up: torch.Tensor
    down: torch.Tensor | None
    saved: dict[str, Saved | None]


class FusedLayer:
    """A decoder layer made of seven projections and two norms."""

    def __init__(
        self,
        projections: Mapping[str, Projection],
        norms: tuple[tuple[torch.Tensor, float], tuple[torch.Tensor, float]],
        head_size: int,
        joined: torch.Tensor | None,
    ) -> None:
        """Describe a layer.

        Args:
            projections: by their names in `NAMES`.
            norms: weight, (hidden,) float32, and epsilon of the norms before attention and MLP.
            head_size: width of a head.
            joined: the weights of `QKV` one below the other, where none has an adapter; or None.
        """
        self.projections, self.norms = projections, norms
        self.head_size = head_size
        self.joined = joined

    def forward(self, x: torch.Tensor, frame: Frame) -> tuple[torch.Tensor, Kept]:
        """Return the layer's result, (T, hidden) float32, and what the way back needs.

        Args:
            x: (T, hidden) float32.
            frame: of the step.
        """
        use, saved = frame.use, dict[str, Saved | None]()

        def apply(name: str, *entered: torch.Tensor) -> torch.Tensor:
            projection = self.projections[name]
            both = entered if len(entered) == 2 else projection.enter(entered[0], use)
            result, saved[name] = projection.forward(*both, use)
            return result

        def whole(name: str, rows: torch.Tensor) -> torch.Tensor:
            result = apply(name, rows)
            found = saved[name]
            if found is None or found.scale is None:
                return result
            return (result.float() * found.scale).to(result.dtype)

        dtype = self.projections["q_proj"].weight().dtype
        (weight, epsilon), (weight2, epsilon2) = self.norms
        n1, inverse = use["norm"](x, weight, epsilon, dtype)
        if self.joined is not None:
            parts = torch.split(linear(n1, self.joined), self._widths(), dim=1)
        else:
            parts = tuple(whole(name, n1) for name in QKV)
        q, k, v = use["rotate"](
            *(part.view(len(x), -1, self.head_size) for part in parts), frame.cosine, frame.sine
        )
        attended = frame.attention.forward(q, k, v)
        out = apply("o_proj", attended.out.reshape(len(x), -1))
        x2, n2, inverse2 = use["added_norm"](x, out, _scale(saved["o_proj"]), weight2, epsilon2)
        gate, up = apply("gate_proj", n2), apply("up_proj", n2)
        entered = use["gated"](
            gate, up, _scale(saved["gate_proj"]), _scale(saved["up_proj"]),
            *self.projections["down_proj"].entry_arguments(),
        )  # fmt: skip
        down = apply("down_proj", *entered)
        scale = _scale(saved["down_proj"])
        x3 = use["added"](x2, down, scale)
        before = None if scale is None else down
        kept = Kept(x, inverse, q, k, v, attended, x2, inverse2, gate, up, before, saved)
        return x3, kept

    def backward(
        self, grad: torch.Tensor, kept: Kept, frame: Frame, wanted: bool
    ) -> torch.Tensor | None:
        """Return the gradient of the layer's input, (T, hidden) float32, or None.

        Args:
            grad: of the layer's result, (T, hidden) float32.
            kept: of `forward`.
            frame: of the step.
            wanted: whether the input's gradient is.
        """
        use, saved = frame.use, kept.saved
        dtype = kept.gate.dtype

        def back(
            name: str,
            grad: torch.Tensor,
            grad_scale: torch.Tensor | None,
            into: torch.Tensor | None = None,
            wanted: bool = True,
        ) -> torch.Tensor | None:
            projection = self.projections[name]
            return projection.backward(
                grad, grad_scale, saved[name], into, wanted, frame.grads, use
            )

        attention = wanted or self._adapts(*QKV, "o_proj")
        if kept.down is None:
            grad_down, grad_scale = grad.to(dtype), None
        else:
            grad_down, grad_scale = use["scale_backward"](
                grad, kept.down, _scale(saved["down_proj"])
            )
        grad_h = back("down_proj", grad_down, grad_scale)
        gate_scale, up_scale = _scale(saved["gate_proj"]), _scale(saved["up_proj"])
        of_gate, of_up, grad_gate_scale, grad_up_scale = use["gated_backward"](
            grad_h, kept.gate, kept.up, gate_scale, up_scale
        )
        into = back("gate_proj", of_gate, grad_gate_scale, None, attention)
        into = back("up_proj", of_up, grad_up_scale, into, attention)
        if not attention:
            return None
        weight2, _ = self.norms[1]
        grad_x2, rounded = use["norm_backward"](into, kept.x2, kept.inverse2, weight2, grad)
        grad_out, grad_scale = self._unscale("o_proj", rounded, saved)
        grad_attended = back("o_proj", grad_out, grad_scale)
        inner = wanted or self._adapts(*QKV)
        if not inner:
            return None
        assert grad_attended is not None
        of_q, of_k, of_v = frame.attention.backward(
            (kept.q, kept.k, kept.v), kept.attended, grad_attended.view(kept.q.shape)
        )
        flat = use["rotate_back"](of_q, of_k, of_v, frame.cosine, frame.sine)
        if self.joined is not None:
            into = flat @ self.joined
        else:
            into = None
            for name, of in zip(QKV, torch.split(flat, self._widths(), dim=1), strict=True):
                into = back(name, *self._unscale(name, of.contiguous(), saved), into, wanted)
        if not wanted:
            return None
        result: torch.Tensor = use["norm_backward"](
            into, kept.x, kept.inverse, self.norms[0][0], grad_x2
        )[0]
        return result

    def _unscale(
        self, name: str, grad: torch.Tensor, saved: Mapping[str, Saved | None]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        found = saved[name]
        if found is None or found.scale is None:
            return grad, None
        wide = grad.float()
        return (wide * found.scale).to(grad.dtype), (wide * found.before.float()).sum(0)

    def _widths(self) -> list[int]:
        return [len(self.projections[name].weight()) for name in QKV]

    def trains(self) -> bool:
        """Return whether anything of this layer asks for gradients."""
        return self._adapts(*NAMES)

    def _adapts(self, *names: str) -> bool:
        return any(
            (factors := self.projections[name].factors) is not None
            and any(
                parameter is not None and parameter.requires_grad
                for parameter in (factors.a, factors.b, factors.magnitude)
            )
            for name in names
        )


def _scale(saved: Saved | None) -> torch.Tensor | None:
    return None if saved is None else saved.scale
