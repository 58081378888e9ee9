"""The trainer: one per process, for many rounds and partitions of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from harness.boards.challenge import Challenge
from harness.components import (
    HISTORY,
    LocalObjective,
    LocalRound,
    LossInput,
    PeftMethod,
    RankContext,
    RoundPlan,
)
from harness.document import Document
from harness.document.float_sums import sum_in_order
from harness.planning.component_checks import travelling_shapes
from harness.planning.extension_checks import one_rank, refuse_other_rank
from harness.planning.schedule import learning_rate, step_factor
from harness.plugins import Bound
from harness.processes.large_blocks import large_blocks_apart
from harness.record.machine import Device
from harness.sources.assets import Assets
from harness.spec import RunSpec, derived_seed
from harness.training.adapter import Adapter, Arrays
from harness.training.base_model import base_of, compute_dtype, load_tokenizer, packs
from harness.training.determinism import be_deterministic, doubts
from harness.training.example_order import example_order
from harness.training.examples import Example, as_they_are, kept_rows
from harness.training.extensions.own_loop import run_loop
from harness.training.extensions.own_loss import refuse_blind, token_losses
from harness.training.extensions.own_optimizer import OwnOptimizer
from harness.training.extensions.own_rows import own_order, rewritten_rows
from harness.training.extensions.ranks import cut, refuse_more
from harness.training.extensions.warm_start import warm_values
from harness.training.fast.lowrank import speed_up
from harness.training.fast.memory import checkpoint_if_needed
from harness.training.fast.norms import speed_up_norms
from harness.training.fast.packing import pack
from harness.training.fast.step import packed_logits, packed_loss
from harness.training.fused.steps import FusedSteps, fused_steps, why_not
from harness.training.history import history_added
from harness.training.optimizers import make_optimizer
from harness.training.padded_batch import padded_logits, padded_loss, padded_tokens
from harness.training.partitions import Partitions
from harness.training.prompt import check_prompt, check_tokenizer
from harness.training.reply.local_round import pick, start_values
from harness.training.reply.reply_influence import Asked, reply_of
from harness.training.steps import RoundSteps, Told, TorchStepper, Watch


@dataclass(frozen=True, slots=True)
class Update:
    """The outcome of one client's training in one round."""

    arrays: Arrays
    """Names, shapes and order as received, or as the round's plan says; float32."""
    kept: Arrays
    """What this client keeps until its next round; empty for most strategies."""
    examples: int
    """Rows of the partition, filtered or not: the client's weight."""
    train_loss: float
    """Mean over the steps, of the cross entropy of the data alone: neither an extra term of the
    strategy nor a loss of a plugin's own is in it."""
    step_losses: list[float]
    learning_rate: float
    dtype: str
    trained_influence: float
    """|change of `arrays`| / |change of the trained tensors|; see
    `ReplyTrial`."""


class Trainer:
    """Trains the adapter of one run on any of its partitions.

    The base model, the tokenizer and the tokenised partitions are kept as long as the trainer.
    An update depends on spec, round, partition and received arrays only, never on what was trained
    here before: the adapter is overwritten whole, the optimizer is new, and every random choice is
    seeded each time. So it does not matter which process a client of a round falls to.
    """

    def __init__(
        self,
        spec: RunSpec,
        challenge: Challenge,
        assets: Assets,
        method: PeftMethod,
        params: Document,
        objective: LocalObjective | None = None,
        extensions: Mapping[str, Bound] | None = None,
    ) -> None:
        """Load the base model and put the adapter into it.

        Args:
            spec: the run.
            challenge: the rules of the run: data set and partitioner.
            assets: the files of this machine.
            method: the PEFT method that `spec.peft` names.
            params: its parameters, of its own document.
            objective: the strategy's client part, or None.
            extensions: the recipe's, by kind.

        Raises:
            PluginError: the prompt or the PEFT method cannot be used, or a partition has no row to
                train on.
            SourceError: the model cannot be loaded.
        """
        check_prompt(spec.train.prompt, spec.label)
        self.spec = spec
        self._objective = objective
        self._extensions = dict(extensions or {})
        self._table = Partitions(challenge, assets.training_file)
        self._examples: dict[int, list[Example]] = {}
        self._texts: dict[int, list[Mapping[str, str]]] = {}
        self._weights: dict[int, int] = {}
        self._device = spec.compute.device
        self._dtype = compute_dtype(spec.model, self._device)
        # Before anything is computed: dequantising and the first adapter are sums too.
        be_deterministic(spec.compute.threads)
        self.tokenizer = load_tokenizer(spec.model, assets.model_dir)
        check_tokenizer(spec.train.prompt, self.tokenizer)
        self._left_out, self._rows = self._table.left_out(
            spec.train, self.tokenizer, self._rewrite if "rows" in self._extensions else as_they_are
        )
        self._packed = packs(spec)
        self.model = base_of(spec, assets.model_dir)
        # All clients make the same first adapter, whatever they have drawn until now.
        torch.manual_seed(derived_seed(spec.seed, "initial-adapter"))
        self._fast_layers = 0
        with large_blocks_apart():
            self.adapter = Adapter(self.model, spec.model, method, params)
            if not spec.train.exact_peft:
                speed_up_norms(self.model)
                self._fast_layers = speed_up(self.model, self._dtype)
        self._fused: FusedSteps | None = None
        if self._device == "cuda" and self._packed:
            self._fused = fused_steps(self.model, self._dtype)
        self._hooked = False
        self._untrained = self._initial = self.adapter.values()
        if assets.warm_start is not None:
            warm, file = spec.extensions.warm_start, Path(assets.warm_start)
            name = file.name if warm is None else warm.adapter
            self._initial = warm_values(file, self.adapter.shapes, name)
        self._travelling = frozenset(travelling_shapes(spec.peft.name, method, self.adapter.shapes))

    def initial(self) -> Arrays:
        """Return the adapter as peft initialises it, seeded by the run; frozen tensors too."""
        return {name: values.copy() for name, values in self._initial.items()}

    def examples(self, partition: int) -> list[Example]:
        """Return the tokenised rows of a partition; read once, then kept."""
        if partition not in self._examples:
            rows = self._table.rows(partition)
            self._weights[partition] = len(rows)
            kept = kept_rows(rows, self.spec.train, self.tokenizer, partition, self._rewrite)
            self._examples[partition] = [example for example, _ in kept]
            if "rows" in self._extensions:
                self._texts[partition] = [text for _, text in kept]
        return self._examples[partition]

    def _rewrite(
        self, rows: Sequence[Mapping[str, str]], partition: int
    ) -> Sequence[Mapping[str, str]]:
        return rewritten_rows(self._extensions.get("rows"), rows, partition, self.spec)

    def _order(self, partition: int, round: int) -> list[int]:
        """Return the rows of the round's steps: the harness's order, or a plugin's."""
        part = self._extensions.get("rows")
        if part is not None and part.value.order is not None:
            return own_order(part, self._texts[partition], partition, round, self.spec)
        return example_order(self.spec, partition, round, len(self._examples[partition]))

    def train(
        self,
        arrays: Mapping[str, Any],
        round: int,
        partition: int,
        config: Mapping[str, Any] | None = None,
        plan: RoundPlan | None = None,
        kept: Mapping[str, Any] | None = None,
        watch: Watch | None = None,
        after_step: Callable[[], None] = lambda: None,
    ) -> Update:
        """Train the received adapter on one partition for one round.

        Args:
            arrays: what was sent, float32, by tensor name.
            round: from 1.
            partition: the partition whose rows are trained on, from 0.
            config: what the strategy's message carried, for its client part.
            plan: what this round moves and trains; None: all that travels, both ways.
            kept: what this client kept from its last round, where the plan keeps something.
            watch: called at each step, before its gradients are clipped.
            after_step: called when a step has been taken; a GPU may still be at work on it.

        Raises:
            FederationError: the loss or a gradient is not finite (partition, round and step are
                named), or the received tensors are not what the round moves.
            PluginError: a row has no token to train on, or an extension breaks its word.
        """
        train = self.spec.train
        examples = self.examples(partition)
        order = self._order(partition, round)
        # Again, since a strategy's client part or a library may have changed it since.
        be_deterministic(self.spec.compute.threads)
        held = start_values(self._initial, self._travelling, arrays, kept or {}, plan)
        where = f"partition {partition}, round {round}"
        rank = self._rank(partition)
        if rank is not None:
            held = held | cut({name: held[name] for name in self._initial}, rank)
        self.adapter.load({name: held[name] for name in self._initial})
        trained = self.adapter.choose_trained(self._travelling if plan is None else plan.train)
        received = self._on_device(held) if self._has_loss else {}
        rate = learning_rate(train, round)
        stepper = self._stepper(trained, rate)
        # One seed for all steps: the masks of step k are what the generator gives after those of
        # the steps before, which are the same in every process.
        torch.manual_seed(derived_seed(self.spec.seed, "dropout", round, partition))
        self.model.train()
        # A fused step calls no module, so that a history's hooks would not be heard.
        self._hooked = any(name.startswith(HISTORY) for name in held)
        per_step = train.batch_size * train.gradient_accumulation_steps
        self._looked_at_labels = False

        def backward(step: int) -> torch.Tensor:
            chosen = [examples[i] for i in order[step * per_step : (step + 1) * per_step]]
            return self._backward(chosen, received, where)

        told = Told(watch, after_step)
        steps = RoundSteps(train, rate, self.adapter.trained(), stepper, backward, where, told)
        with history_added(self.model, held, self._device):
            self._take(steps, derived_seed(self.spec.seed, "loop", round, partition), where)
        losses = steps.losses
        if isinstance(stepper, OwnOptimizer):
            stepper.refuse_changes(where)
        if rank is not None:
            refuse_more(self.adapter.values(), rank, where)
        done = LocalRound(
            received=held,
            trained=self.adapter.values(),
            steps=train.max_steps,
            learning_rate=rate,
            config=config or {},
        )
        could_move = any(rate * step_factor(train, step) > 0 for step in range(train.max_steps))
        after, reply, influence = reply_of(
            held,
            self._objective,
            done,
            self._travelling if plan is None else plan.train,
            arrays if plan is None else plan.up,
            Asked(self.spec.strategy.name, round, partition, self.spec.seed, could_move),
        )
        return Update(
            arrays=reply,
            kept=pick(after, {} if plan is None else plan.keep, "keep"),
            examples=self._weights[partition],
            train_loss=sum_in_order(losses) / len(losses),
            step_losses=losses,
            learning_rate=rate,
            dtype=str(self._dtype).removeprefix("torch."),
            trained_influence=influence,
        )

    def _take(self, steps: RoundSteps, seed: int, where: str) -> None:
        """Take every step of a round: one after another, or as a plugin's loop does."""
        if "loop" in self._extensions:
            run_loop(self._extensions["loop"], steps, seed, where)
            return
        for _ in range(steps.count):
            steps.take(steps.gradients())

    def _stepper(
        self, trained: list[torch.nn.Parameter], rate: float
    ) -> TorchStepper | OwnOptimizer:
        part = self._extensions.get("optimizer")
        if part is None:
            return TorchStepper(make_optimizer(self.spec.train, trained, rate))
        frozen = [item for item in self.model.parameters() if not item.requires_grad]
        return OwnOptimizer(part, self.adapter.trained(), frozen)

    def _rank(self, partition: int) -> int | None:
        """Return a client's rank where it may be another than the adapter's."""
        part, ranks = self._extensions.get("ranks"), self.spec.client_ranks
        if part is None or ranks is None:
            return None
        context = RankContext(self.spec.peft.params["r"], len(ranks), self.spec.seed)
        refuse_other_rank(part, partition, one_rank(part, partition, context), ranks[partition])
        return ranks[partition]

    def peft_config(self) -> str:
        """Return peft's configuration of the adapter, as JSON; see `Adapter.configuration`."""
        return self.adapter.configuration()

    def describe(self) -> Device:
        """Return what computes here; the number of actors is the caller's to fill in."""
        gpu = self._device == "cuda"
        doubtful = doubts(self.spec)
        notes = ["a CPU computes in float32"] * (not gpu and self.spec.model.dtype != "float32")
        notes += self._computed()
        return Device(
            kind=self._device,
            name=torch.cuda.get_device_name() if gpu else _processor(),
            threads=self.spec.compute.threads,
            actors=1,
            dtype=str(self._dtype).removeprefix("torch."),
            deterministic=not doubtful,
            note="; ".join(notes + doubtful),
        )

    def _computed(self) -> list[str]:
        """Return, for the record, whose the layers are and which rows were left out."""
        left = [
            f"{self._left_out} of {self._rows} rows have no token of their answer within"
            f" seq_length {self.spec.train.seq_length} and were left out"
        ] * bool(self._left_out)
        return left + self._whose_layers()

    def _whose_layers(self) -> list[str]:
        if self.spec.train.exact_peft:
            return ["peft's own layers on padded batches"]
        notes = []
        if not self._packed:
            code = self.spec.model.trust_remote_code
            why = "code of its own may run" if code else "its family is not in the table"
            notes.append(f"the model's own attention on padded batches: {why}")
        elif self._device == "cuda" and (reason := why_not(self.model)):
            notes.append(f"trained module by module: {reason}")
        params = self.spec.peft.params
        if params.get("dropout") and self._fast_layers and self._is_dora():
            notes.append(
                "DoRA's dropout is on the low-rank path alone; train.exact_peft gives peft's"
            )
        return notes

    def _is_dora(self) -> bool:
        return bool(getattr(self.adapter.config, "use_dora", False))

    def _backward(
        self, chosen: list[Example], received: Mapping[str, torch.Tensor], where: str
    ) -> torch.Tensor:
        """Set the gradients of one optimizer step; return its loss on the data, float64 scalar."""
        size = self.spec.train.batch_size
        batches = [chosen[start : start + size] for start in range(0, len(chosen), size)]
        # Of the whole step, not of each batch: the mean over 3 + 17 targets of two accumulated
        # batches is not the mean of their two means.
        labels = sum(len(example.ids) - example.response_start for example in chosen)
        total = None
        if self._fused is not None and not self._hooked and "loss" not in self._extensions:
            total = self._fused.backward(batches, labels)
        if total is None:
            zero = torch.zeros((), dtype=torch.float64, device=self._device)
            total = sum((self._unfused(batch, labels, where) for batch in batches), start=zero)
        # Once for a step, whatever it accumulates: the term is about the adapter, not about rows.
        if self._objective is not None and self._objective.loss is not None:
            torch.autograd.backward(self._objective.loss(self.adapter.trained(), received))
        return total

    def _unfused(self, batch: list[Example], labels: int, where: str) -> torch.Tensor:
        """Add the gradients of one batch by autograd; return its share of the step's loss."""
        if "loss" in self._extensions:
            return self._by_own_loss(self._extensions["loss"], batch, labels, where)
        loss = self._loss(batch, labels)
        torch.autograd.backward(loss)
        return loss.detach().double()

    def _by_own_loss(
        self, part: Bound, batch: list[Example], labels: int, where: str
    ) -> torch.Tensor:
        """Add the gradients of a plugin's loss; return the cross entropy, which is recorded."""
        packed = pack(batch, self._device) if self._packed else None
        tokens = padded_tokens(batch) if packed is None else packed.ids.shape[1]
        checkpoint_if_needed(self.model, self.spec.model, tokens, self._device)

        def logits() -> tuple[torch.Tensor, torch.Tensor]:
            with torch.autocast(self._device, torch.bfloat16, self._dtype == torch.bfloat16):
                if packed is None:
                    return padded_logits(self.model, batch, self._device)
                return packed_logits(self.model, packed), packed.targets

        base = self._base_logits(logits) if part.value.reads_base else None
        made, targets = logits()
        given = LossInput(made, targets, base)
        losses = token_losses(part, given, where)
        if not self._looked_at_labels:
            refuse_blind(part, given, losses, where)
            self._looked_at_labels = True
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

    def _loss(self, batch: list[Example], labels: int) -> torch.Tensor:
        packed = pack(batch, self._device) if self._packed else None
        tokens = padded_tokens(batch) if packed is None else packed.ids.shape[1]
        checkpoint_if_needed(self.model, self.spec.model, tokens, self._device)
        with torch.autocast(self._device, torch.bfloat16, self._dtype == torch.bfloat16):
            if packed is None:
                return padded_loss(self.model, batch, labels, self._device)
            return packed_loss(self.model, packed, labels)

    @property
    def _has_loss(self) -> bool:
        return self._objective is not None and self._objective.loss is not None

    def _on_device(self, arrays: Arrays) -> dict[str, torch.Tensor]:
        return {name: torch.tensor(values, device=self._device) for name, values in arrays.items()}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            ]
        return names[0] if names else "unknown"
    except OSError:
        import platform

        return platform.processor() or "unknown"
