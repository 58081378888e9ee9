"""What a client held at each step of its training, as digests: kept where a run is told to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from harness.document import Document, parse_document, parse_json, read_text
from harness.errors import RecordError


class StepDigests(Document):
    """One optimizer step, seen after its gradients were added up and before they were clipped."""

    step: int = Field(ge=1)
    loss: float
    values: dict[str, str]
    """Name of a trained tensor -> digest of its values before the step, 16 hexadecimal digits."""
    gradients: dict[str, str]
    """The same of its gradient."""


def steps_file(folder: Path, partition: int, number: int) -> Path:
    """Return where `partition` keeps its steps of round `number`; `folder` is the clients'."""
    return folder / f"partition-{partition:05}-round-{number:06}.steps.jsonl"


def read_steps(folder: Path, partition: int, number: int) -> list[StepDigests]:
    """Return what a client kept of its steps; nothing where it kept none or the file is damaged."""
    path = steps_file(folder, partition, number)
    if not path.is_file():
        return []
    try:
        return [
            parse_document(StepDigests, parse_json(line, str(path)), str(path))
            for line in read_text(path).splitlines()
        ]
    except RecordError:
        return []


def first_difference(
    one: Sequence[StepDigests], two: Sequence[StepDigests]
) -> tuple[int, str, tuple[str, ...]] | None:
    """Return the first step that differs, in what, and the tensors that do; None for no step.

    Values before a step differ where the optimizer's step before it did something else: they are
    looked at before the gradients, which follow from them.
    """
    for left, right in zip(one, two, strict=False):
        for kind in ("values", "gradients"):
            mine, theirs = getattr(left, kind), getattr(right, kind)
            names = [name for name in mine if theirs.get(name) != mine[name]]
            if names:
                return left.step, kind, tuple(names)
        if left.loss != right.loss:
            return left.step, "loss", ()
    return None
