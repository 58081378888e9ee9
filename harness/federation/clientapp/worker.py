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
from harness.federation.job import Job
from harness.federation.open_run import OpenRun
from harness.training.trainer import Trainer, Update


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
        self.digest = job_digest
        self.run = OpenRun(job)
        self.trainer = Trainer(
            job.spec,
            job.challenge,
            job.assets,
            self.run.components.method,
            self.run.components.peft_params,
            self.run.objective,
        )

    def train(
        self,
        arrays: Mapping[str, np.ndarray],
        number: int,
        partition: int,
        config: Mapping[str, Any],
        last: int,
        folder: Path,
    ) -> Update:
        """Train on one partition for one round.

        Args:
            arrays: what the message brought, float32, by tensor name.
            number: the round, from 1.
            partition: whose rows.
            config: what the strategy wrote into the message.
            last: round in which this partition trained last, 0 if never.
            folder: where clients keep what stays at home.
        """
        plan = self.run.plan(number)
        had = client_state.load(folder, partition, last) if plan.keep and last else {}
        update = self.trainer.train(arrays, number, partition, config, plan, had)
        if plan.keep:
            client_state.save(folder, partition, number, update.kept)
        return update
