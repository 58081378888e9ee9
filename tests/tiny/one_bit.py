"""A run in which one bit of one gradient of one client is another, and the way to dispute it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from served import serve
from tiny_run import TinyRun

from harness.document import pretty_json, write_atomic
from harness.federation.job import Job
from harness.federation.options import Options
from harness.reproduce import dispute as module
from harness.spec import RunSpec
from harness.training.gradients import Gradients
from harness.training.trainer import Trainer

Place = tuple[int, int, int, int, int]
"""Round, partition, step, number of the tensor among the trained ones, bit of its first value."""


def kept(run: TinyRun, folder: Path, **options: Any) -> list[tuple[int, ...]]:
    """Run with steps kept; return the partitions of each round."""
    write_atomic(folder / "spec.json", pretty_json(run.spec.model_dump(mode="json")))
    rounds = serve(run, folder, keep_steps=True, **options).outcome.rounds
    return [item.partitions for item in rounds]


@contextmanager
def one_bit_flipped(place: Place) -> Iterator[list[str]]:
    """Flip the bit while this context lasts; yields a list that gets the tensor's name."""
    number, partition, step, tensor, bit = place
    names: list[str] = []
    at = [0, 0, 0]
    train, backward = Trainer.train, Gradients.backward

    def noting(self: Trainer, arrays: Any, round: int, partition: int, *rest: Any) -> Any:
        at[:] = [round, partition, 0]
        return train(self, arrays, round, partition, *rest)

    def flipping(self: Gradients, *arguments: Any) -> torch.Tensor:
        loss = backward(self, *arguments)
        at[2] += 1
        if at == [number, partition, step]:
            name, parameter = list(self.adapter.trained().items())[tensor]
            assert parameter.grad is not None
            parameter.grad.view(-1)[:1].view(torch.int32).bitwise_xor_(1 << bit)
            names.append(name)
        return loss

    with patch.object(Trainer, "train", noting), patch.object(Gradients, "backward", flipping):
        yield names


@contextmanager
def repeated_here(run: TinyRun) -> Iterator[None]:
    """Repeat what is disputed in this process, without Flower's."""

    def federate(job: Job, out: Path, options: Options) -> Any:
        names = ("until", "only", "keep_steps")
        chosen = {name: getattr(options, name) for name in names}
        return serve(TinyRun(job.spec, job.challenge, job.assets), out, **chosen).outcome

    with (
        patch.object(module, "federate", federate),
        patch.object(RunSpec, "rules", lambda spec: run.challenge),
        patch.object(module, "locate", lambda *args, **kwargs: run.assets),
    ):
        yield
