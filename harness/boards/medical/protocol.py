"""The medical board's own part of the protocol: four sets of questions, and a corpus of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge
from harness.boards.protocol import SMOKE_ROWS, Lengths
from harness.boards.protocols.choice_protocol import ChoiceProtocol, Question, multiple_choice
from harness.boards.protocols.choices import LETTERS, YES_NO
from harness.boards.tables import made_of_rows

CORPUS_SEED = 20_260_329

HERBS = ("alderwort", "brackmint", "cinderleaf", "dunegrass", "emberroot", "fogbell")
EFFECTS = ("sleep", "appetite", "balance", "memory")
"""Made up, so that nobody learns medicine from a smoke run."""


def _pubmedqa(row: dict[str, Any]) -> Question:
    text = "\n".join([*row["CONTEXTS"], row["QUESTION"]])
    gold = row["final_decision"]
    return Question(text, gold, row["QUESTION"], gold)


def _medmcqa(row: dict[str, Any]) -> Question:
    options = [row[name] for name in ("opa", "opb", "opc", "opd")]
    return multiple_choice(row["question"], options, row["cop"])


def _medqa(row: dict[str, Any]) -> Question:
    options = [option["value"] for option in row["options"]]
    return multiple_choice(row["question"], options, options.index(row["answer"]))


def _careqa(row: dict[str, Any]) -> Question:
    options = [row[name] for name in ("op1", "op2", "op3", "op4")]
    return multiple_choice(row["question"], options, row["cop"] - 1)  # counted from 1 in this set


SETS: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], Question]]] = {
    "pubmedqa": (("CONTEXTS", "QUESTION", "final_decision"), _pubmedqa),
    "medmcqa": (("question", "opa", "opb", "opc", "opd", "cop"), _medmcqa),
    "medqa": (("question", "options", "answer"), _medqa),
    "careqa": (("question", "op1", "op2", "op3", "op4", "cop"), _careqa),
}
"""Set -> its columns, and what makes a question of a row."""


class Medical(ChoiceProtocol):
    """Choices and yes or no. Everything else is what `ChoiceProtocol` does."""

    example_columns = ("input", "output")
    lengths = Lengths(example=128, shared=26, answer=94, row=109)

    def read_questions(self, task: str, files: Sequence[Path]) -> list[Question]:
        """Read a set's file, one question a row.

        Raises:
            EvaluationError: a row is no question of the set.
        """
        columns, question_of = SETS[task]
        dataset = self.challenge.evaluation_set(task).dataset
        return made_of_rows(files[0], columns, question_of, f"question of {task}", dataset)

    def smoke_questions(self, task: str) -> list[Question]:
        """Return questions about herbs that do not exist; the right answers take turns."""
        draw = random.Random(f"{CORPUS_SEED}/{task}")
        questions = []
        for place in range(SMOKE_ROWS):
            herb, effect = draw.choice(HERBS), draw.choice(EFFECTS)
            if task in self.boolean:
                gold = YES_NO[place % len(YES_NO)]
                asked = f"Does {herb} change {effect}?"
                text = (
                    f"Of {draw.randint(20, 90)} people who took {herb}, some kept a diary.\n{asked}"
                )
                questions.append(Question(text, gold, asked, gold))
                continue
            asked = f"What does {herb} change in trial {draw.randint(1, 99)}"
            right = place % len(LETTERS)
            others = [item for item in EFFECTS if item != effect]
            options = [*others[:right], effect, *others[right:]]
            questions.append(multiple_choice(asked, options, right))
        return questions

    def smoke_training(self) -> list[dict[str, str]]:
        """Return synthetic flashcards under the instruction that all real ones have."""
        draw = random.Random(f"{CORPUS_SEED}/training")
        rows = []
        for _ in range(self.smoke_training_rows):
            herb, effect = draw.choice(HERBS), draw.choice(EFFECTS)
            rows.append(
                {
                    "instruction": "Answer this question truthfully",
                    "input": f"What did {herb} change in trial {draw.randint(1, 999)}?",
                    "output": f"In that trial {herb} changed {effect}.",
                }
            )
        return rows


def protocol(challenge: Challenge) -> Medical:
    """Return the protocol object of the medical challenge."""
    return Medical(challenge)
