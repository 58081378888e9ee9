"""The general NLP board's own part of the protocol: MMLU's questions, and a corpus of its own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge
from harness.boards.protocol import SMOKE_ROWS
from harness.boards.protocols.choice_protocol import ChoiceProtocol, Question, multiple_choice
from harness.boards.protocols.choices import LETTERS
from harness.boards.tables import made_of_rows

OPTIONS = ("A", "B", "C", "D")
"""Columns of the options."""

CORPUS_SEED = 20_260_329


def _question(subject: str, row: dict[str, Any]) -> Question:
    options = [row[name] for name in OPTIONS]
    return multiple_choice(row["input"], options, OPTIONS.index(row["target"]), subject)


class GeneralNlp(ChoiceProtocol):
    """This board asks multiple-choice questions; the rest is what `ChoiceProtocol` does."""

    example_columns = ("instruction", "output")

    def read_questions(self, task: str, files: Sequence[Path]) -> list[Question]:
        """Read one file a subject, whose folder is named for it.

        An option that was "None" is "nan", as the hub's loader yields it.

        Raises:
            EvaluationError: a row is no question of the set.
        """
        columns, dataset = (
            ("input", *OPTIONS, "target"),
            self.challenge.evaluation_set(task).dataset,
        )
        return [
            question
            for path in files
            for question in made_of_rows(
                path, columns, partial(_question, path.parent.name), f"question of {task}", dataset
            )
        ]

    def smoke_questions(self, task: str) -> list[Question]:
        """Return sums of small numbers; the right letters take turns."""
        draw = random.Random(f"{CORPUS_SEED}/{task}")
        questions = []
        for place in range(SMOKE_ROWS):
            left, right = draw.randint(2, 40), draw.randint(2, 40)
            first = left + right - place % len(LETTERS)
            options = [str(first + step) for step in range(len(LETTERS))]
            question = f"What is the sum of {left} and {right}"
            questions.append(multiple_choice(question, options, place % len(LETTERS), "sums"))
        return questions

    def smoke_training(self) -> list[dict[str, str]]:
        """Return synthetic instructions, some with an input, which upstream drops."""
        draw = random.Random(f"{CORPUS_SEED}/training")
        rows = []
        for place in range(self.smoke_training_rows):
            left, right = draw.randint(2, 90), draw.randint(2, 90)
            rows.append(
                {
                    "instruction": f"Add {left} and {right}, and say the sum.",
                    "input": f"{left} + {right}" if place % 3 == 0 else "",
                    "output": f"The sum of {left} and {right} is {left + right}.",
                }
            )
        return rows


def protocol(challenge: Challenge) -> GeneralNlp:
    """Return the protocol object of the general NLP challenge."""
    return GeneralNlp(challenge)
