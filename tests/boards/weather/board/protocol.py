"""A board of forecasts: the least that a board's own module is."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from harness.boards.challenge import Challenge
from harness.boards.protocol import SMOKE_ROWS
from harness.boards.protocols.labels import LabelProtocol
from harness.boards.rows import Example, OfficialSet, Row, check_rows

SKIES = {"wet": "Rain near {place}", "dry": "Sun over {place}"}


def forecasts(count: int) -> list[Example]:
    """Return `count` synthetic forecasts with their labels."""
    pairs = [(place, label) for place in range(count) for label in sorted(SKIES)]
    return [(SKIES[label].format(place=f"town {place}"), label) for place, label in pairs[:count]]


class Weather(LabelProtocol):
    """Labels of forecasts."""

    looked_for = ("wet",)
    smoke_training_rows = 32

    def rows(self, task: str, files: Sequence[Path]) -> OfficialSet:
        """Read the official rows: one file with a header."""
        with files[0].open(encoding="utf-8", newline="") as file:
            examples = [(row["text"], row["label"]) for row in csv.DictReader(file)]
        official = self._official(task, examples)
        check_rows(self.challenge, task, official.rows, files[0].name)
        return official

    def smoke_rows(self, task: str) -> OfficialSet:
        """Return synthetic rows."""
        return self._official(task, forecasts(SMOKE_ROWS))

    def smoke_training(self) -> list[dict[str, str]]:
        """Return synthetic training rows."""
        rows, question = forecasts(self.smoke_training_rows), self.instruction
        return [{"input": text, "output": label, "instruction": question} for text, label in rows]

    def passages(self, prompt: str) -> tuple[str, ...]:
        """Return nothing: forecasts may be passed on."""
        return ()

    def _official(self, task: str, examples: list[Example]) -> OfficialSet:
        question = f"{self.instruction}\n{{}}\n{self.marker}"
        rows = tuple(Row(question.format(text), label) for text, label in examples)
        return OfficialSet(task, rows, tuple(examples), tuple(examples))


def protocol(challenge: Challenge) -> Weather:
    """Return the protocol object of the weather challenge."""
    return Weather(challenge)
