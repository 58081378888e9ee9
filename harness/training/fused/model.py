"""A whole step of a Llama on a GPU, written out: loss and gradients without autograd's overhead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import cross_entropy, embedding, linear

from harness.library_internals.llama_layers import LayerParts, LlamaParts
from harness.training.fast.lowrank import weight_source
from harness.training.fused.functions import LEVELS
from harness.training.fused.layer import NAMES, QKV, Frame, FusedLayer, Kept
from harness.training.fused.projection import Factors, Functions, Projection, StepFactors
from harness.training.fused.token_tree import IGNORED, TokenTree
from harness.training.fused.tree_attention import TreeAttention

MAX_TOKENS = 4096
"""Distinct tokens of a batch up to which attention over all of them is worth its arithmetic."""

INT32 = 2**31


class FusedModel:
    """A model whose layers are all of a known kind, ready for fused steps."""

    def __init__(self, parts: LlamaParts, dtype: torch.dtype) -> None:
        """Take over a model's weights; none is copied but the output head's, in `dtype`.

        Args:
            parts: of the model, with the adapter in place.
            dtype: what the products compute in.
        """
        self.parts, self.dtype = parts, dtype
        self.factors: list[Factors] = []
        self.projections: list[Projection] = []
        self.layers = [self._layer(index) for index in range(len(parts.layers))]
        self.head = parts.head.to(dtype)

    def _layer(self, index: int) -> FusedLayer:
        layer = self.parts.layers[index]
        projections = {}
        for name in NAMES:
            found = layer.linears[name]
            weight = weight_source(found.base, self.dtype)
            factors = None
            if (lora := found.lora) is not None:
                squares = None
                if lora.magnitude is not None:
                    squares = torch.linalg.vecdot(weight().float(), weight().float())
                dropped = round(lora.dropout * LEVELS)
                factors = Factors(
                    lora.a, lora.b, lora.magnitude, squares, lora.scaling, dropped,
                    len(self.factors),
                )  # fmt: skip
                self.factors.append(factors)
            projections[name] = Projection(weight, factors)
            self.projections.append(projections[name])
        return FusedLayer(projections, layer.norms, layer.head_size, self._joined(layer))

    def _joined(self, layer: LayerParts) -> torch.Tensor | None:
        """Return the weights of queries, keys and values as one, which their layers then share.

        One product of 6,144 columns keeps a GPU busier than three of 2,048. Only where all three
        are held in the type of the products and have no adapter: else None.
        """
        found = [layer.linears[name] for name in QKV]
        plain = [
            item.base.weight
            for item in found
            if item.lora is None
            and type(item.base) is torch.nn.Linear
            and item.base.weight.dtype == self.dtype
        ]
        if len(plain) < len(found):
            return None
        joined = torch.cat([weight.detach() for weight in plain])
        for weight, part in zip(plain, torch.split(joined, [len(w) for w in plain]), strict=True):
            weight.data = part
        return joined

    def kept_bytes(self, tokens: int) -> int:
        """Return about how many bytes a step keeps for its way back.

        Measured for SmolLM2-1.7B with DoRA on the MLP: 1.9 GiB for 768 tokens, of which this says
        2.4.

        Args:
            tokens: T.
        """
        layer = self.layers[0].projections
        inner, hidden = layer["gate_proj"].weight().shape
        values = 14 * hidden + 5 * inner
        return tokens * len(self.layers) * values * self.dtype.itemsize

    def seeds(self) -> torch.Tensor:
        """Draw the seeds of one batch's dropout from torch's generator of the CPU.

        Returns:
            (adapters, 4) int32, of which the first column counts: a compiled kernel wants what it
            reads to begin at a multiple of 16 bytes.
        """
        return torch.randint(-INT32, INT32, (max(1, len(self.factors)), 4), dtype=torch.int32)

    @torch.no_grad()
    def gradients(
        self,
        tree: TokenTree,
        table: torch.Tensor,
        seeds: torch.Tensor,
        labels: torch.Tensor,
        use: Functions,
        grads: Callable[[torch.nn.Parameter, torch.Tensor], None],
        keep_all: bool = True,
    ) -> torch.Tensor:
        """Return the summed cross entropy of a batch over `labels`, and hand out its gradients.

        Args:
            tree: sizes of the batch.
            table: its numbers, on the model's device.
            seeds: of `seeds`, on that device.
            labels: targets of the whole optimizer step, a scalar on that device.
            use: `functions.PLAIN` or `functions.compiled()`.
            grads: takes the gradient of a parameter; called once for each.
            keep_all: whether each layer's values are kept for the way back, or made again.
        """
        ids, positions, first, last, predicting, targets = tree.parts(table)
        self._begin(seeds)
        x = embedding(ids, self.parts.embeddings).float()
        cosine, sine = self.parts.rotary(x[None], positions[None])
        frame = Frame(
            cosine=cosine[0, :, None].float(),
            sine=sine[0, :, None].float(),
            attention=TreeAttention(first, last, self.parts.layers[0].scaling),
            use=use,
            grads=grads,
        )
        held: list[Kept | torch.Tensor] = []
        for layer in self.layers:
            before = x
            x, kept = layer.forward(x, frame)
            held.append(kept if keep_all else before)
            del kept
        loss, grad = self._head(x, predicting, targets, labels)
        lowest = self._lowest()
        for index in range(len(self.layers) - 1, lowest - 1, -1):
            item = held.pop()
            found = item if isinstance(item, Kept) else self.layers[index].forward(item, frame)[1]
            result = self.layers[index].backward(grad, found, frame, index > lowest)
            if result is not None:
                grad = result
        return loss

    def _lowest(self) -> int:
        """Return the first layer with something to train: nothing below it is differentiated."""
        for index, layer in enumerate(self.layers):
            if layer.trains():
                return index
        return len(self.layers)

    def _begin(self, seeds: torch.Tensor) -> None:
        """Make what a step needs of all adapters at once: few launches instead of hundreds."""
        if not self.factors:
            return
        rounded = _flat([(f.a, f.b) for f in self.factors], self.dtype)
        grams: list[torch.Tensor | None] = [None] * len(self.factors)
        groups: dict[tuple[torch.Size, torch.Size], list[Factors]] = {}
        for factors in self.factors:
            if factors.magnitude is not None:
                groups.setdefault((factors.a.shape, factors.b.shape), []).append(factors)
        for group in groups.values():
            # From the rounded factors, as W A^T is: another rounding would bring nothing.
            a = torch.stack([rounded[f.place][0] for f in group])
            b = torch.stack([rounded[f.place][1] for f in group])
            for factors, gram in zip(group, b @ (a @ a.mT), strict=True):
                grams[factors.place] = gram
        for projection in self.projections:
            if (found := projection.factors) is not None:
                a, b = rounded[found.place]
                seed = seeds[found.place, :1] if found.dropped else None
                projection.step = StepFactors(a, b, grams[found.place], seed)

    def _head(
        self, x: torch.Tensor, predicting: torch.Tensor, targets: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss and the gradient of the last layer's result, (T, hidden) float32."""
        # Rows are picked by a product with ones and zeros: the way back adds up, where two targets
        # share a token, in an order that is always the same.
        picks = (predicting[:, None] == torch.arange(len(x), device=x.device)).float()
        picks *= (targets != IGNORED)[:, None]
        weight, epsilon = self.parts.last_norm
        with torch.enable_grad():
            last = x.detach().requires_grad_()
            rows = picks @ last
            inverse = (rows.square().mean(-1, keepdim=True) + epsilon).rsqrt()
            logits = linear((rows * inverse * weight).to(self.dtype), self.head).float()
            loss = cross_entropy(logits, targets, reduction="sum", ignore_index=IGNORED) / labels
            (grad,) = torch.autograd.grad(loss, last)
        return loss.detach(), grad


def _flat(
    pairs: Sequence[tuple[torch.Tensor, torch.Tensor]], dtype: torch.dtype
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return tensors in another type, made by one kernel."""
    every = [tensor.detach() for pair in pairs for tensor in pair]
    flat = torch.cat([tensor.reshape(-1) for tensor in every]).to(dtype)
    views = [
        part.view(tensor.shape)
        for part, tensor in zip(torch.split(flat, [t.numel() for t in every]), every, strict=True)
    ]
    return list(zip(views[0::2], views[1::2], strict=True))
