"""The gradients of one optimizer step: by a fused step, or by autograd on packed or padded batches.

Which of them computes is decided once, by the model, the device and the recipe. The loss is the
cross entropy of the answers' tokens or a plugin's, and a strategy may add a term about the adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from harness.components import LocalObjective, LossInput
from harness.plugins import Bound
from harness.spec import RunSpec
from harness.training.adapter import Adapter
from harness.training.base_model import compute_dtype, packs
from harness.training.extensions.own_loss import refuse_blind, token_losses
from harness.training.fast.lowrank import speed_up
from harness.training.fast.memory import checkpoint_if_needed
from harness.training.fast.norms import speed_up_norms
from harness.training.fast.packing import pack
from harness.training.fast.step import packed_logits, packed_loss
from harness.training.fused.steps import FusedSteps, fused_steps, why_not
from harness.training.padded_batch import padded_logits, padded_loss, padded_tokens
from harness.training.rows.examples import Example

OWN_DROPOUTS = ("attention_dropout", "resid_pdrop", "embd_pdrop")
"""Keys of config.json by which models of known families drop values as they train."""


@dataclass(slots=True)
class ClientRound:
    """What all steps of one client's round have in common."""

    where: str
    """Partition and round, for messages."""
    received: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """What the strategy's term is told, on the device; empty without one."""
    hooked: bool = False
    """Whether something is added to the output of modules, which a fused step does not call."""
    saw_labels: bool = False
    """Whether a plugin's loss has been seen to depend on the labels."""


class Gradients:
    """Computes the gradients of one run's adapter in its base model."""

    def __init__(
        self,
        spec: RunSpec,
        model: Any,
        adapter: Adapter,
        objective: LocalObjective | None = None,
        own_loss: Bound | None = None,
    ) -> None:
        """Put the fast layers into the model, unless the recipe wants peft's own.

        Args:
            spec: the run.
            model: the base model, with the adapter in it.
            adapter: that adapter.
            objective: the strategy's client part, whose loss is a term about the adapter, or None.
            own_loss: the plugin's component that takes the place of the cross entropy, or None.
        """
        self.spec, self.model, self.adapter = spec, model, adapter
        self.objective, self._own_loss = objective, own_loss
        self.device = spec.compute.device
        self.dtype = compute_dtype(spec.model, self.device)
        self._packed = packs(spec)
        self._fast_layers = 0
        if not spec.train.exact_peft:
            speed_up_norms(model)
            self._fast_layers = speed_up(model, self.dtype)
        self.fused: FusedSteps | None = None
        """The fused step; None: module by module."""
        if self.device == "cuda" and self._packed:
            self.fused = fused_steps(model, self.dtype)
        reads_base = own_loss is not None and own_loss.value.reads_base
        self._untrained = adapter.values() if reads_base else {}

    @property
    def has_term(self) -> bool:
        """Whether the strategy adds a term to the loss."""
        return self.objective is not None and self.objective.loss is not None

    def backward(self, chosen: list[Example], of: ClientRound) -> torch.Tensor:
        """Set the gradients of one optimizer step; return its loss on the data, float64 scalar.

        Args:
            chosen: the examples of the step, of all the batches that it accumulates.
            of: the round that the step is of.

        Raises:
            PluginError: the plugin's loss breaks its word.
        """
        size = self.spec.train.batch_size
        batches = [chosen[start : start + size] for start in range(0, len(chosen), size)]
        # Of the whole step, not of each batch: the mean over 3 + 17 targets of two accumulated
        # batches is not the mean of their two means.
        labels = sum(len(example.ids) - example.response_start for example in chosen)
        total = None
        if self.fused is not None and not of.hooked and self._own_loss is None:
            total = self.fused.backward(batches, labels)
        if total is None:
            zero = torch.zeros((), dtype=torch.float64, device=self.device)
            total = sum((self._unfused(batch, labels, of) for batch in batches), start=zero)
        # Once for a step, whatever it accumulates: the term is about the adapter, not about rows.
        if self.objective is not None and self.objective.loss is not None:
            torch.autograd.backward(self.objective.loss(self.adapter.trained(), of.received))
        return total

    def loss(self, batch: list[Example], labels: int) -> torch.Tensor:
        """Return the cross entropy of a batch over `labels` targets, a scalar that autograd knows.

        Args:
            batch: examples.
            labels: targets of the whole step.
        """
        packed = self._room_for(batch)
        with self._autocast():
            if packed is None:
                return padded_loss(self.model, batch, labels, self.device)
            return packed_loss(self.model, packed, labels)

    def notes(self) -> list[str]:
        """Return, for the record, whose the layers are."""
        if self.spec.train.exact_peft:
            return ["peft's own layers on padded batches"]
        notes = []
        if not self._packed:
            code = self.spec.model.trust_remote_code
            why = "code of its own may run" if code else "its family is not in the table"
            notes.append(f"the model's own attention on padded batches: {why}")
        elif drawn := [name for name in OWN_DROPOUTS if getattr(self.model.config, name, 0)]:
            names = " and ".join(drawn)
            notes.append(f"the model's {names}: drawn once for what examples of a batch share")
        if self._packed and self.device == "cuda" and (reason := why_not(self.model)):
            notes.append(f"trained module by module: {reason}")
        if self.fused is not None and self.fused.saves_memory:
            notes.append("the card's memory ran out: slower steps without graphs, of the same bits")
        dora = getattr(self.adapter.config, "use_dora", False)
        if dora and self.spec.peft.params.get("dropout") and self._fast_layers:
            notes.append(
                "DoRA's dropout is on the low-rank path alone; train.exact_peft gives peft's"
            )
        return notes

    def _unfused(self, batch: list[Example], labels: int, of: ClientRound) -> torch.Tensor:
        """Add the gradients of one batch by autograd; return its share of the step's loss."""
        if self._own_loss is not None:
            return self._by_own_loss(self._own_loss, batch, labels, of)
        loss = self.loss(batch, labels)
        torch.autograd.backward(loss)
        return loss.detach().double()

    def _by_own_loss(
        self, part: Bound, batch: list[Example], labels: int, of: ClientRound
    ) -> torch.Tensor:
        """Add the gradients of a plugin's loss; return the cross entropy, which is recorded."""
        packed = self._room_for(batch)

        def logits() -> tuple[torch.Tensor, torch.Tensor]:
            with self._autocast():
                if packed is None:
                    return padded_logits(self.model, batch, self.device)
                return packed_logits(self.model, packed), packed.targets

        base = self._base_logits(logits) if part.value.reads_base else None
        made, targets = logits()
        given = LossInput(made, targets, base)
        losses = token_losses(part, given, of.where)
        if not of.saw_labels:
            refuse_blind(part, given, losses, of.where)
            of.saw_labels = True
        torch.autograd.backward(losses.sum() / labels)
        measured = cross_entropy(made.detach(), targets, reduction="sum") / labels
        return measured.double()

    def _base_logits(self, logits: Callable[[], tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """Return the logits that the untrained adapter gives, without dropout and gradients."""
        now = self.adapter.values()
        self.adapter.load(self._untrained)
        self.model.eval()
        try:
            with torch.no_grad():
                return logits()[0]
        finally:
            self.model.train()
            self.adapter.load(now)

    def _room_for(self, batch: list[Example]) -> Any:
        """Make room for a batch's activations; return it packed, or None for a padded one."""
        packed = pack(batch, self.device) if self._packed else None
        tokens = padded_tokens(batch) if packed is None else packed.ids.shape[1]
        checkpoint_if_needed(self.model, self.spec.model, tokens, self.device)
        return packed

    def _autocast(self) -> Any:
        return torch.autocast(self.device, torch.bfloat16, self.dtype == torch.bfloat16)
