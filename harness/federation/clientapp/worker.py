"""The worker: what a client process keeps from one message to the next, and what it does with one.

Base model, tokenizer and tokenised partitions are loaded once per process. The process works for
whichever partition a message is for, so nothing of one partition may reach another: what a client
keeps for itself lies in files of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.codec.coding import decode, encode
from harness.codec.sizes import ENCODED, goes
from harness.errors import PluginError
from harness.federation.clientapp import client_state
from harness.federation.clientapp.start_in_base import refuse_start_in_base
from harness.federation.clientapp.steps_file import StepsFile
from harness.federation.job import Job
from harness.federation.open_run import OpenRun
from harness.processes.import_paths import foreign_modules
from harness.training.fused.compiled import compile_apart, leave_no_empty
from harness.training.trainer import Trainer, Update

MODEL_CODE = "transformers_modules"
"""Package in which transformers puts the code of models that may run theirs; it is on the record.
Source: transformers `utils.hub.TRANSFORMERS_DYNAMIC_MODULE_NAME`."""


LEFT_OUT = "left-out/"
"""Prefix of what a codec has left out of a tensor's changes, among what a client keeps."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a client did in a round, and its reply as it travels."""

    update: Update
    arrays: Mapping[str, np.ndarray]
    """Of the message: the update's, or one encoded array."""
    codec_loss: float | None
    """What the codec lost of the changes; None where replies are not encoded."""


class Worker:
    """The open run of one job, and a trainer for it."""

    def __init__(self, job: Job, job_digest: str) -> None:
        """Load everything for a job.

        Args:
            job: with paths of this machine.
            job_digest: of the job as the server sent it.

        Raises:
            PluginError: an installed plugin is not the one that the spec names, or its adapter's
                start is one that no part of the run takes off again.
        """
        self._foreign = foreign_modules()  # of the process before it loads a plugin
        self._compiled = compile_apart()
        self.digest = job_digest
        self.run = OpenRun(job)
        self.trainer = Trainer(
            job.spec,
            job.challenge,
            job.assets,
            self.run.components.method,
            self.run.components.peft_params,
            self.run.objective,
            self.run.components.extensions,
        )
        leave_no_empty(self._compiled)
        refuse_start_in_base(
            self.run.spec, self.run.plan(1).down, self.trainer.adapter.config, self.trainer.initial
        )

    def train(
        self,
        arrays: Mapping[str, np.ndarray],
        number: int,
        partition: int,
        config: Mapping[str, Any],
        last: int,
        folder: Path,
        keep_steps: bool = False,
        keep_rounds: int | None = None,
        after_step: Callable[[], None] = lambda: None,
    ) -> Trained:
        """Train on one partition for one round.

        Args:
            arrays: what the message brought, by name: float32 tensors, or one encoded array.
            number: the round, from 1.
            partition: whose rows.
            config: what the strategy wrote into the message.
            last: round in which this partition trained last, 0 if never.
            folder: where clients keep what stays at home.
            keep_steps: keep digests of what the client held at each step.
            keep_rounds: how many rounds back a resumed run may ask for what stays at home; None
                where the server tidies the folder.
            after_step: called when a step has been taken.
        """
        plan, codec = self.run.plan(number), self.run.spec.train.codec
        down, up = goes(codec, "down"), goes(codec, "up")
        keeps = bool(plan.keep) or (up is not None and up.feedback)
        had = client_state.load(folder, partition, last) if keeps and last else {}
        carried = {n.removeprefix(LEFT_OUT): v for n, v in had.items() if n.startswith(LEFT_OUT)}
        kept = {name: values for name, values in had.items() if not name.startswith(LEFT_OUT)}
        steps = StepsFile(folder, partition, number) if keep_steps else None
        if down is not None and plan.down:
            arrays = decode(down, arrays[ENCODED], plan.down)
        update = self.trainer.train(
            arrays, number, partition, config, plan, kept, steps, after_step
        )
        self._refuse_foreign_modules()
        keep = dict(update.kept)
        message, loss = update.arrays, None
        if up is not None:
            encoded = encode(up, update.arrays, arrays, carried)
            message, loss = {ENCODED: encoded.data}, encoded.loss
            if up.feedback:
                keep |= {LEFT_OUT + name: values for name, values in encoded.left_out.items()}
        if keeps:
            client_state.save(folder, partition, number, keep)
            if keep_rounds is not None:
                client_state.prune(folder, number - keep_rounds)
        return Trained(update, message, loss)

    def _refuse_foreign_modules(self) -> None:
        """Check that nothing was imported that no digest covers.

        Raises:
            PluginError: a module was, from outside of the Python environment; it is named.
        """
        known = set(self._foreign)
        if self.run.spec.model.trust_remote_code:
            known.add(MODEL_CODE)
        for name, folder in foreign_modules().items():
            compiled = Path(folder).resolve().is_relative_to(self._compiled)
            if name not in known and not compiled:
                raise PluginError(
                    f"module {name} was imported from {folder}, which no digest of a plugin covers;"
                    " make it a part of the plugin's distribution"
                )
