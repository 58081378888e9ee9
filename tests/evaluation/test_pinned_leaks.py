"""The committed rows that leak are what the data give."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.boards.challenge import load_challenge
from harness.boards.leaks import pinned_leaks
from harness.boards.registry import protocol_of
from harness.scoring.leak import count_leak

CHALLENGE = load_challenge("finance")


@pytest.mark.parametrize("rows", [None, 158, 295])
def test_pinned_leaks_are_those_of_the_data(mirror: Path, rows: int | None) -> None:
    """Of all rows, and of the first ones, which a limited evaluation counts by itself.

    The rows that the training file's anchor covers give them all: what it leaves out adds none.
    """
    parquet = pytest.importorskip("pyarrow.parquet")
    (file,) = (mirror / "datasets" / CHALLENGE.dataset.name).glob("*.parquet")
    table = parquet.read_table(file)
    columns = zip(
        *(table.column(name).to_pylist() for name in CHALLENGE.dataset.columns), strict=True
    )
    anchored = [
        (text, label)
        for text, label, instruction in columns
        if instruction != CHALLENGE.dataset.pin.anchor_excludes
    ]
    for item in CHALLENGE.evaluation:
        files = [mirror / "datasets" / item.dataset / name for name in item.files]
        official = protocol_of(CHALLENGE).rows(item.task, files)
        count = count_leak(anchored, official.source, official.examples[:rows])
        pinned, number = pinned_leaks("finance")[item.task], len(official.examples[:rows])
        assert pinned.exact_rows(number) == count.certain_rows
        assert pinned.clean(number) == tuple(i for i, clean in enumerate(count.clean) if clean)
