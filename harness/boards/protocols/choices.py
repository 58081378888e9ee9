"""Boards whose answers are choices: a letter, or yes and no.

Source: adap/flower, benchmarks/flowertune-llm/evaluation/{medical,general-nlp}, `accuracy_compute`
and `format_answer` at 2026-03-29. Restated in our words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from harness.boards.board import Board
from harness.boards.protocol import PublishedRow, Reading
from harness.boards.protocols.accuracy_files import AccuracyFiles
from harness.boards.protocols.class_measures import class_measures
from harness.boards.published_files import is_lines, parse_array, parse_lines

ANSWERS = frozenset({"a", "b", "c", "d", "e", "yes", "no"})
"""What counts as a choice, on every set: "e" is accepted where there is no fifth option."""

LETTERS = ("a", "b", "c", "d")
YES_NO = ("yes", "no", "maybe")

_DOUBLED = (("yesyes", "yes"), ("nono", "no"), ("yesno", "yes"), ("noyes", "no"))
"""Run-together answers; the first that occurs is replaced, as upstream's if-chain does."""


def choice_of(output: str, boolean: bool) -> tuple[str, bool]:
    """Return the choice in an output and whether there is one.

    Without one, the choice is the whole output in lower case, which upstream then compares with
    the right answer all the same ("maybe" is right that way).
    """
    whole = output.lower()
    text = whole
    if "\n##" in text:
        text = text.split("\n##")[1].split("\n")[0].strip()
    text = re.sub(" +", " ", re.sub(r"[^a-zA-Z0-9]", " ", text).strip())
    if boolean:
        for doubled, single in _DOUBLED:
            if doubled in text:
                text = text.replace(doubled, single)
                break
    else:
        text = text[:1]
    return (text, True) if text in ANSWERS else (whole, False)


def gold_of(gold: str) -> str:
    """Return the right choice of a row: lower case, cut out of a worked answer when it is one."""
    text = gold.lower()
    if "###" in text and "answer is:" in text:
        return text.split("answer is:")[1].split("###")[0].strip()
    return text


class ChoiceReader(AccuracyFiles):
    """How choices are read, and the published files that hold them."""

    rederivable = True

    def __init__(self, board: Board) -> None:
        """Learn which sets are answered by yes and no."""
        self.boolean = frozenset(item.task for item in board.sets if item.answers == "yes-no")

    def read(self, task: str, output: str, target: str) -> Reading:
        """Return the choice of an output; without one, the whole output is compared.

        "maybe" is no choice by upstream's list, but it is an answer, and right when it is all.
        """
        choice, listed = choice_of(output, task in self.boolean)
        return Reading(choice, listed or choice in self.targets(task), choice == gold_of(target))

    def answers(self, task: str) -> None:
        """Return None: a text without a choice is its own answer."""

    def targets(self, task: str) -> tuple[str, ...]:
        """Return the choices that can be right, lower case as they are compared."""
        return YES_NO if task in self.boolean else LETTERS

    def measures(self, task: str, pairs: Mapping[tuple[str, str], int]) -> dict[str, float]:
        """Return macro-F1 and Matthews' correlation."""
        return class_measures(pairs)

    def constants(self, task: str, targets: Sequence[str]) -> dict[str, float]:
        """Return what no output and the best single choice with hindsight would score."""
        best = max(Counter(targets).values())
        return {
            "empty_answer": targets.count("") / len(targets),
            "best_constant": best / len(targets),
        }

    def published(self, text: str, name: str) -> list[PublishedRow]:
        """Read upstream's array of prompt, right choice and output, or lines as ours are.

        A worked answer is cut out of the right choice, and it is in lower case.
        """
        rows = (parse_lines if is_lines(text) else parse_array)(text, name)
        return [row._replace(target=gold_of(row.target)) for row in rows]
