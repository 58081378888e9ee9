"""The worker: what a client process keeps from one message to the next, and what it does with one.

Base model, tokenizer and tokenised partitions are loaded once per process. The process works for
whichever partition a message is for, so nothing of one partition may reach another: what a client
keeps for itself lies in files of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from harness.document import Document, canonical_json, parse_document, parse_json, sha256_text
from harness.errors import PluginError
from harness.federation.clientapp import client_state
from harness.federation.strategy_parts import client_part
from harness.federation.wire.names import Job
from harness.planning.resolve import strategy_context
from harness.plugins import load_components
from harness.training.trainer import Trainer, Update

Arrays = dict[str, np.ndarray]


class Worker:
    """A trainer and the code that the spec names, for one job."""

    def __init__(self, job_text: str, job_digest: str) -> None:
        """Load everything for a job.

        Raises:
            PluginError: the text is not what the server digested, or an installed plugin is not
                the one that the spec names.
        """
        if sha256_text(job_text) != job_digest:
            raise PluginError("the job arrived altered; its digest is not the server's")
        job = parse_document(Job, parse_json(job_text, "job"), "job")
        job.check()
        self.digest = job_digest
        self.components = load_components(job.spec)
        self.context = strategy_context(job.spec, job.challenge, self.components)
        objective = client_part(
            job.spec.strategy.name, self.components.strategy, self.components.strategy_params
        )
        self.trainer = Trainer(
            job.spec, job.challenge, job.assets, self.components.method, objective
        )

    def initial(self) -> Arrays:
        """Return the adapter as peft initialises it; frozen tensors are in it, and never travel."""
        return self.trainer.initial()

    def files(self, arrays: Mapping[str, np.ndarray]) -> dict[str, bytes]:
        """Return the files of an adapter in peft's format.

        Args:
            arrays: the adapter.
        """
        with TemporaryDirectory(prefix="harness-adapter-") as folder:
            self.trainer.save(arrays, Path(folder))
            return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}

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
            arrays: what the message brought.
            number: the round, from 1.
            partition: whose rows.
            config: what the strategy wrote into the message.
            last: round in which this partition trained last, 0 if never.
            folder: where clients keep what stays at home.
        """
        plan = self.components.strategy.plan_of(
            self.components.strategy_params, self.context, number
        )
        had = client_state.load(folder, partition, last) if plan.keep and last else {}
        update = self.trainer.train(arrays, number, partition, config, plan, had)
        if plan.keep:
            client_state.save(folder, partition, number, update.kept)
        return update

    def facts(self) -> str:
        """Return what the trainer says about its device, as canonical JSON."""
        facts: Any = self.trainer.describe()
        return canonical_json(
            facts.model_dump(mode="json") if isinstance(facts, Document) else facts
        )
