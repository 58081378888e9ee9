"""Whether a training file is the one that a challenge pins, as far as it could be pinned."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from harness.boards.challenge import InstructionSet, TrainingSet
from harness.document import canonical_json

INSTRUCTION = "instruction"
"""Column whose text decides which rows the anchor leaves out."""

ANSWER = "output"
"""Column whose histogram is pinned."""


def training_faults(
    dataset: TrainingSet | InstructionSet, columns: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return one sentence for each pin that the columns of a training file miss.

    Where only the number of rows is pinned, a file with that number passes.

    Args:
        dataset: the pins.
        columns: the columns that `dataset` names, each with one text a row.
    """
    pin, faults = dataset.pin, []
    rows = len(columns[ANSWER])
    if rows != pin.rows:
        faults.append(f"{rows:,} rows, the challenge pins {pin.rows:,}")
    if not isinstance(dataset, TrainingSet):
        return faults
    pin = dataset.pin
    if dict(Counter(columns[ANSWER])) != pin.labels:
        faults.append("another histogram of labels than the challenge pins")
    if anchor_digest(dataset, columns) != pin.anchor_sha256:
        faults.append("other rows, or another order of rows, than the challenge pins")
    return faults


def anchor_digest(dataset: TrainingSet, columns: Mapping[str, Sequence[str]]) -> str:
    """Return the sha256 that `TrainingPin.anchor_sha256` pins.

    It is taken over a JSON line `[index, column, ...]` for each row, in the order of rows and of
    `dataset.columns`, without the rows whose instruction is `anchor_excludes`. A row that is left
    out still counts in the index, so the place of every other row is pinned as well.
    """
    digest = hashlib.sha256()
    rows = zip(*(columns[name] for name in dataset.columns), strict=True)
    for index, (row, instruction) in enumerate(zip(rows, columns[INSTRUCTION], strict=True)):
        if instruction != dataset.pin.anchor_excludes:
            line = canonical_json([index, *row]) + "\n"
            # Texts of the hub may hold half of a surrogate pair, which strict UTF-8 refuses.
            digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
