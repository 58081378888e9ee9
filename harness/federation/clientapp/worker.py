"""The worker: what a client process keeps from one message to the next, and what it does with one.

Base model, tokenizer and tokenised partitions are loaded once per process. The process works for
whichever partition a message is for, so nothing of one partition may reach another: what a client
keeps for itself lies in files of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.document import parse_document, parse_json, sha256_text
from harness.errors import PluginError
from harness.federation.clientapp import client_state
from harness.federation.clientapp.steps_file import StepsFile
from harness.federation.job import Job
from harness.federation.open_run import OpenRun
from harness.processes.import_paths import foreign_modules
from harness.training.trainer import Trainer, Update

MODEL_CODE = "transformers_modules"
"""Package in which transformers puts the code of models that may run theirs; it is on the record.
Source: transformers `utils.hub.TRANSFORMERS_DYNAMIC_MODULE_NAME`."""


class Worker:
    """The open run of one job, and a trainer for it."""

    def __init__(self, job_text: str, job_digest: str) -> None:
        """Load everything for a job.

        Raises:
            PluginError: the text is not what the server digested, or an installed plugin is not
                the one that the spec names.
        """
        if sha256_text(job_text) != job_digest:
            raise PluginError("the job arrived altered; its digest is not the server's")
        job = parse_document(Job, parse_json(job_text, "job"), "job")
        self._foreign = foreign_modules()  # of the process before it loads a plugin
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

    def train(
        self,
        arrays: Mapping[str, np.ndarray],
        number: int,
        partition: int,
        config: Mapping[str, Any],
        last: int,
        folder: Path,
        keep_steps: bool = False,
    ) -> Update:
        """Train on one partition for one round.

        Args:
            arrays: what the message brought, float32, by tensor name.
            number: the round, from 1.
            partition: whose rows.
            config: what the strategy wrote into the message.
            last: round in which this partition trained last, 0 if never.
            folder: where clients keep what stays at home.
            keep_steps: keep digests of what the client held at each step.
        """
        plan = self.run.plan(number)
        had = client_state.load(folder, partition, last) if plan.keep and last else {}
        steps = StepsFile(folder, partition, number) if keep_steps else None
        update = self.trainer.train(arrays, number, partition, config, plan, had, steps)
        self._refuse_foreign_modules()
        if plan.keep:
            client_state.save(folder, partition, number, update.kept)
        return update

    def _refuse_foreign_modules(self) -> None:
        """Check that nothing was imported that no digest covers.

        Raises:
            PluginError: a module was, from outside of the Python environment; it is named.
        """
        known = set(self._foreign)
        if self.run.spec.model.trust_remote_code:
            known.add(MODEL_CODE)
        for name, folder in foreign_modules().items():
            if name not in known:
                raise PluginError(
                    f"module {name} was imported from {folder}, which no digest of a plugin covers;"
                    " make it a part of the plugin's distribution"
                )
