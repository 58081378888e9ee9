"""Fused steps of one trainer: eager at first, and from a size's second batch on as one graph.

A step launches some 1,500 kernels. Recorded once for a number of tokens as a CUDA graph, they are
launched by one call. The kernels, and so the bits, are those of the eager step. Where the card's
memory runs out, graphs are given up, and each layer's values are made again on the way back: the
same bits, later.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch

from harness.library_internals.llama_layers import llama_parts
from harness.training.fast.memory import ACTIVATION_SHARE, free_memory_bytes
from harness.training.fused.functions import compiled
from harness.training.fused.model import MAX_TOKENS, FusedModel
from harness.training.fused.projection import Functions
from harness.training.fused.token_tree import TokenTree, token_tree
from harness.training.rows.examples import Example

Gradients = list[tuple[torch.nn.Parameter, torch.Tensor]]
"""Each trained parameter with its gradient, float32; these are parts of a few large tensors."""

Computed = tuple[torch.Tensor, list[torch.Tensor], Gradients]
"""Of one batch: its loss, a scalar; those large tensors; the gradients."""


GRAPH_SHARE = 0.25
"""Share of the free memory that a graph's values may take: it holds them as long as it lives."""


@dataclass(slots=True)
class Captured:
    """A step of one size as a graph, and the memory that it reads and writes."""

    graph: Any
    table: torch.Tensor
    seeds: torch.Tensor
    labels: torch.Tensor
    loss: torch.Tensor
    flats: list[torch.Tensor]
    gradients: Gradients


class FusedSteps:
    """The fused steps of one model."""

    def __init__(self, model: FusedModel, use: Functions, graphs: bool) -> None:
        """Take over a model; nothing is computed yet.

        Args:
            model: with the adapter in place.
            use: `functions.PLAIN` or `functions.compiled()`.
            graphs: whether sizes that come again are recorded as graphs; on a GPU only.
        """
        self.model, self.use, self.graphs = model, use, graphs
        self.device = model.head.device
        self.saves_memory = False
        """Whether the card's memory ran out: nothing is kept that can be made again."""
        self._captured: dict[tuple[object, ...], Captured] = {}
        self._seen: set[tuple[object, ...]] = set()
        self._pool: Any = None

    def backward(self, batches: Sequence[Sequence[Example]], labels: int) -> torch.Tensor | None:
        """Set the gradients of one optimizer step; return its loss, a scalar on the device.

        Args:
            batches: one or more, whose gradients add up.
            labels: targets of all of them.

        Returns:
            None, with nothing done, where a batch has too many tokens for a fused step.
        """
        trees = [token_tree(batch) for batch in batches]
        if any(tree.tokens > MAX_TOKENS for tree in trees):
            return None
        for parameter in self._trained():
            # Those of the last step may be a graph's, whose memory they would hold.
            parameter.grad = None
        total: torch.Tensor | None = None
        for number, tree in enumerate(trees):
            loss, flats, gradients = self._one(tree, labels)
            if len(trees) > 1:
                # A graph writes every batch's gradients to one place.
                loss, copies = loss.clone(), [flat.clone() for flat in flats]
                if number:
                    for parameter, gradient in gradients:
                        assert parameter.grad is not None
                        parameter.grad.add_(gradient)
                else:
                    _assign(gradients, flats, copies)
            else:
                for parameter, gradient in gradients:
                    parameter.grad = gradient
            total = loss if total is None else total + loss
        return total

    def _trained(self) -> list[torch.nn.Parameter]:
        factors = [p for f in self.model.factors for p in (f.a, f.b, f.magnitude)]
        return [p for p in factors if p is not None and p.requires_grad]

    def _one(self, tree: TokenTree, labels: int) -> Computed:
        seeds = self.model.seeds()
        try:
            return self._with_seeds(tree, seeds, labels)
        except torch.OutOfMemoryError:
            if self.saves_memory:
                raise
        # Not in the handler: the error holds the frames, and these the tensors of the first try.
        self._save_memory()
        return self._with_seeds(tree, seeds, labels)

    def _save_memory(self) -> None:
        """Give back what graphs hold, and keep no values from here on.

        What was free when it was asked for may be another client's by the time it is taken.
        """
        self.saves_memory, self.graphs = True, False
        self._captured.clear()
        self._pool = None
        torch.cuda.empty_cache()

    def _with_seeds(self, tree: TokenTree, seeds: torch.Tensor, labels: int) -> Computed:
        size = (tree.tokens, tree.targets, tuple(map(id, self._trained())))
        captured = self._captured.get(size)
        if captured is None:
            needed = self.model.kept_bytes(tree.tokens)
            free = free_memory_bytes(self.device.type)
            if self.graphs and size in self._seen and needed <= GRAPH_SHARE * free:
                captured = self._captured[size] = self._capture(tree, seeds, labels)
        if captured is None:
            self._seen.add(size)
            table, seeds = tree.table.to(self.device), seeds.to(self.device)
            amount = torch.tensor(float(labels), device=self.device)
            keep_all = not self.saves_memory and needed <= ACTIVATION_SHARE * free
            return self._run(tree, table, seeds, amount, keep_all)
        captured.table.copy_(tree.table, non_blocking=True)
        captured.seeds.copy_(seeds, non_blocking=True)
        captured.labels.fill_(labels)
        captured.graph.replay()
        return captured.loss, captured.flats, captured.gradients

    def _run(
        self,
        tree: TokenTree,
        table: torch.Tensor,
        seeds: torch.Tensor,
        labels: torch.Tensor,
        keep_all: bool,
    ) -> Computed:
        found: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
        loss = self.model.gradients(
            tree, table, seeds, labels, self.use, lambda p, g: found.append((p, g)), keep_all
        )
        # By type, so that one kernel joins all of a type and another widens them.
        gradients: Gradients = []
        flats = []
        for dtype in dict.fromkeys(gradient.dtype for _, gradient in found):
            some = [(p, g) for p, g in found if g.dtype == dtype]
            flat = torch.cat([g.reshape(-1) for _, g in some]).float()
            flats.append(flat)
            parts = torch.split(flat, [g.numel() for _, g in some])
            gradients += [(p, part.view(p.shape)) for (p, _), part in zip(some, parts, strict=True)]
        return loss, flats, gradients

    def _capture(self, tree: TokenTree, seeds: torch.Tensor, labels: int) -> Captured:
        table, seeds = tree.table.to(self.device), seeds.to(self.device)
        amount = torch.tensor(float(labels), device=self.device)
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            loss, flats, gradients = self._run(tree, table, seeds, amount, True)
        return Captured(graph, table, seeds, amount, loss, flats, gradients)


def fused_steps(model: Any, dtype: torch.dtype) -> FusedSteps | None:
    """Return the fused steps of a model, or None where `why_not` says so.

    Args:
        model: transformers' causal model on a GPU, with the adapter in place.
        dtype: what the products compute in.
    """
    parts = llama_parts(model)
    if parts is None or why_not(model):
        return None
    return FusedSteps(FusedModel(parts, dtype), compiled(), graphs=True)


def why_not(model: Any) -> str:
    """Return why a model on a GPU trains module by module, for the record; "" where it does not."""
    if llama_parts(model) is None:
        return "this model or adapter is of a kind that has no fused step"
    # torch.compile builds kernels with Triton, and the code that launches them with a C compiler.
    if find_spec("triton") is None:
        return "Triton is not installed"
    if not any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))):
        return "no C compiler is there for torch.compile"
    return ""


def _assign(
    gradients: Gradients, flats: Sequence[torch.Tensor], copies: Sequence[torch.Tensor]
) -> None:
    """Give parameters their parts of the copies instead of those of the originals."""
    place, used = 0, 0
    for parameter, gradient in gradients:
        if used == copies[place].numel():
            place, used = place + 1, 0
        size = gradient.numel()
        parameter.grad = copies[place][used : used + size].view(parameter.shape)
        used += size
