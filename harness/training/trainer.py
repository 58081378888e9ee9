"""The trainer: one per process, for many rounds and partitions of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.boards.challenge import Challenge
from harness.components import (
    HISTORY,
    LocalObjective,
    LocalRound,
    PeftMethod,
    RankContext,
    RoundPlan,
)
from harness.document import Document
from harness.document.float_sums import sum_in_order
from harness.machine.machine import processor_name
from harness.planning.component_checks import travelling_shapes
from harness.planning.extension_checks import one_rank, refuse_other_rank
from harness.planning.schedule import learning_rate, step_factor
from harness.plugins import Bound
from harness.processes.large_blocks import large_blocks_apart
from harness.record.machine import Device
from harness.sources.assets import Assets
from harness.spec import RunSpec, derived_seed
from harness.training.adapter import Adapter, Arrays
from harness.training.base_model import base_of, load_tokenizer
from harness.training.determinism import be_deterministic, doubts
from harness.training.extensions.own_loop import run_loop
from harness.training.extensions.own_optimizer import OwnOptimizer
from harness.training.extensions.ranks import cut, refuse_more
from harness.training.extensions.warm_start import warm_values
from harness.training.gradients import ClientRound, Gradients
from harness.training.history import history_added
from harness.training.optimizers import make_optimizer
from harness.training.reply.local_round import pick, start_values
from harness.training.reply.reply_influence import Asked, reply_of
from harness.training.rows.prompt import check_prompt, check_tokenizer
from harness.training.rows.training_rows import TrainingRows
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
        self._extensions = dict(extensions or {})
        self._device = spec.compute.device
        # Before anything is computed: dequantising and the first adapter are sums too.
        be_deterministic(spec.compute.threads)
        self.tokenizer = load_tokenizer(spec.model, assets.model_dir)
        check_tokenizer(spec.train.prompt, self.tokenizer, spec.model.vocab)
        own = self._extensions
        self.rows = TrainingRows(
            spec, challenge, assets.training_file, self.tokenizer, own.get("rows")
        )
        self.model = base_of(spec, assets.model_dir)
        # All clients make the same first adapter, whatever they have drawn until now.
        torch.manual_seed(derived_seed(spec.seed, "initial-adapter"))
        with large_blocks_apart():
            self.adapter = Adapter(self.model, spec.model, method, params)
            self.gradients = Gradients(spec, self.model, self.adapter, objective, own.get("loss"))
        self._initial = self.adapter.values()
        if assets.warm_start is not None:
            warm, file = spec.extensions.warm_start, Path(assets.warm_start)
            name = file.name if warm is None else warm.adapter
            self._initial = warm_values(file, self.adapter.shapes, name)
        self._travelling = frozenset(travelling_shapes(spec.peft.name, method, self.adapter.shapes))

    def initial(self) -> Arrays:
        """Return the adapter as peft initialises it, seeded by the run; frozen tensors too."""
        return {name: values.copy() for name, values in self._initial.items()}

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
        chosen = self.rows.of_round(partition, round)
        # Again, since a strategy's client part or a library may have changed it since.
        be_deterministic(self.spec.compute.threads)
        held = start_values(self._initial, self._travelling, arrays, kept or {}, plan)
        where = f"partition {partition}, round {round}"
        rank = self._rank(partition)
        if rank is not None:
            held = held | cut({name: held[name] for name in self._initial}, rank)
        self.adapter.load({name: held[name] for name in self._initial})
        trained = self.adapter.choose_trained(self._travelling if plan is None else plan.train)
        # A fused step calls no module, so that a history's hooks would not be heard.
        hooked = any(name.startswith(HISTORY) for name in held)
        received = self._on_device(held) if self.gradients.has_term else {}
        of = ClientRound(where, received, hooked)
        rate = learning_rate(train, round)
        stepper = self._stepper(trained, rate)
        # One seed for all steps: the masks of step k are what the generator gives after those of
        # the steps before, which are the same in every process.
        torch.manual_seed(derived_seed(self.spec.seed, "dropout", round, partition))
        self.model.train()
        per_step = train.batch_size * train.gradient_accumulation_steps

        def backward(step: int) -> torch.Tensor:
            return self.gradients.backward(chosen[step * per_step : (step + 1) * per_step], of)

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
            self.gradients.objective,
            done,
            self._travelling if plan is None else plan.train,
            arrays if plan is None else plan.up,
            Asked(self.spec.strategy.name, round, partition, self.spec.seed, could_move),
        )
        return Update(
            arrays=reply,
            kept=pick(after, {} if plan is None else plan.keep, "keep"),
            examples=self.rows.size(partition),
            train_loss=sum_in_order(losses) / len(losses),
            step_losses=losses,
            learning_rate=rate,
            dtype=str(self.gradients.dtype).removeprefix("torch."),
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

    def refuse_other_peft_config(self, first: str) -> None:
        """Check that peft's configuration is that of the run's first adapter.

        Raises:
            PluginError: see `Adapter.refuse_other_configuration`.
        """
        self.adapter.refuse_other_configuration(first)

    def describe(self) -> Device:
        """Return what computes here; the number of actors is the caller's to fill in."""
        gpu = self._device == "cuda"
        doubtful = doubts(self.spec)
        notes = ["a CPU computes in float32"] * (not gpu and self.spec.model.dtype != "float32")
        notes += self.rows.notes() + self.gradients.notes()
        return Device(
            kind=self._device,
            name=torch.cuda.get_device_name() if gpu else processor_name(),
            threads=self.spec.compute.threads,
            actors=1,
            dtype=str(self.gradients.dtype).removeprefix("torch."),
            deterministic=not doubtful,
            note="; ".join(notes + doubtful),
        )

    def _on_device(self, arrays: Arrays) -> dict[str, torch.Tensor]:
        return {name: torch.tensor(values, device=self._device) for name, values in arrays.items()}
