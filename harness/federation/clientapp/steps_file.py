"""The file in which a client writes what it holds at each step, for disputes about its update."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from harness.document import write_atomic
from harness.record.steps import StepDigests, steps_file


class StepsFile:
    """Called at each step of one client in one round; a client that is asked again begins anew."""

    def __init__(self, folder: Path, partition: int, number: int) -> None:
        """Begin the file of `partition` in round `number`; `folder` is the clients'."""
        self._path = steps_file(folder, partition, number)
        self._lines: list[str] = []

    def __call__(self, step: int, loss: float, trained: Mapping[str, nn.Parameter]) -> None:
        """Add a step.

        Args:
            step: from 1.
            loss: of the step.
            trained: what the optimizer changes, with its gradients, before they are clipped.
        """
        digests = StepDigests(
            step=step,
            loss=loss,
            values={name: _digest(value) for name, value in trained.items()},
            gradients={name: _digest(value.grad) for name, value in trained.items()},
        )
        self._lines.append(digests.canonical_json() + "\n")
        write_atomic(self._path, "".join(self._lines))


def _digest(values: Tensor | None) -> str:
    """Return 16 hexadecimal digits of the sha256 over a tensor's float32 bytes; "" without one."""
    if values is None:
        return ""
    return hashlib.sha256(values.detach().cpu().float().contiguous().numpy().data).hexdigest()[:16]
