"""The finance board's own part of the protocol: its rows, its corpus, its order of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.boards.challenge import Challenge, LabelSet
from harness.boards.finance.rows import Cells, make_row, read_cells, sentence_of
from harness.boards.finance.smoke_corpus import sentences
from harness.boards.protocol import SMOKE_ROWS
from harness.boards.protocols.labels import LabelProtocol
from harness.boards.rows import OfficialSet, Row, check_rows


class Finance(LabelProtocol):
    """Labels of sentences. Everything else is what `LabelProtocol` does."""

    looked_for = ("positive", "negative")

    def rows(self, task: str, files: Sequence[Path]) -> OfficialSet:
        """Build the official rows of a set from its files; see `BoardProtocol`."""
        item = self.challenge.evaluation_set(task)
        assert isinstance(item, LabelSet)
        cells, source = read_cells(item, files)
        official = self._official(task, cells, source)
        names = ", ".join(path.name for path in files)
        check_rows(self.challenge, task, official.rows, names)
        return official

    def smoke_rows(self, task: str) -> OfficialSet:
        """Return the synthetic rows that stand for a set; all of them are called news."""
        cells = [(text, label, "news") for text, label in sentences(task, SMOKE_ROWS)]
        return self._official(task, cells, cells)

    def smoke_training(self) -> list[dict[str, str]]:
        """Return the synthetic training rows, under the instruction of the evaluation."""
        instruction = self.instruction.format(tag="news")
        return [
            {"input": text, "output": label, "instruction": instruction}
            for text, label in sentences("training", self.smoke_training_rows)
        ]

    def held_out(self, row: Mapping[str, str]) -> Row | None:
        """Return a training row under the evaluation's instruction and with one of its labels."""
        label = row["output"]
        if label not in self.labels:
            return None
        for tag in ("news", "tweet"):
            if row["instruction"] == self.instruction.format(tag=tag):
                return make_row(self.instruction, row["input"], label, tag)
        return None

    def passages(self, prompt: str) -> tuple[str, ...]:
        """Return the sentence: the sets' licences do not let it be passed on."""
        return (sentence_of(prompt),)

    def _official(self, task: str, cells: Sequence[Cells], source: Sequence[Cells]) -> OfficialSet:
        return OfficialSet(
            task=task,
            rows=tuple(make_row(self.instruction, *each) for each in cells),
            examples=tuple((text, label) for text, label, _ in cells),
            source=tuple((text, label) for text, label, _ in source),
        )


def protocol(challenge: Challenge) -> Finance:
    """Return the protocol object of the finance challenge."""
    return Finance(challenge)
