"""All that a run needs of a board whose answers are choices, but its rows and its smoke corpus.

Source: adap/flower, benchmarks/flowertune-llm/evaluation/{medical,general-nlp}, `inference` and
`format_example` at 2026-03-29. Restated in our words; `docs/evaluation.md` lists what follows.

What the model is given for a question, and what is kept of it in the generations file as `prompt`:

    <|im_start|>question
    Answer the following multiple choice question.      the prompt begins with the instruction
    Question: What is 2 + 3?

    Options:
    A. 4
    B. 5
    C. 6
    D. 7
    The answer is:
    <|im_end|>                                          the prompt ended with a line break
    <|im_start|>answer
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from harness.boards.board import load_board
from harness.boards.challenge import Challenge, ChoiceEvaluation, ChoiceSet
from harness.boards.protocol import Decoding, Lengths, SecondMeasure
from harness.boards.protocols.choices import LETTERS, ChoiceReader, gold_of
from harness.boards.protocols.whole_outputs import WholeOutputs
from harness.boards.rows import OfficialSet, Row, check_rows
from harness.document import sha256_file

PROMPT = "{instruction}\n{question}\nThe answer is:\n"


class Question(NamedTuple):
    """One row of a set, as its files give it."""

    text: str
    """What stands between the instruction and the last line of the prompt."""
    gold: str
    """The right answer as upstream spells it: `A`, `yes`."""
    asked: str
    """The question alone, as a training row may repeat it."""
    answer: str
    """The right answer in words."""
    subset: str | None = None


def with_options(question: str, options: Sequence[str]) -> str:
    """Return a question with its options as upstream sets them.

    A question that ends neither in "?" nor in "." gets a "?", whatever it ends in.
    """
    mark = "" if question.endswith(("?", ".")) else "?"
    lines = "".join(
        f"\n{letter.upper()}. {text}" for letter, text in zip(LETTERS, options, strict=True)
    )
    return f"Question: {question}{mark}\n\nOptions:{lines}"


def multiple_choice(
    question: str, options: Sequence[str], right: int, subset: str | None = None
) -> Question:
    """Return the row of a question with four options.

    Args:
        question: as the set's file has it.
        options: the texts of A to D.
        right: place of the right option, from 0.
        subset: part of the set that the question belongs to, where the board tells parts apart.
    """
    text = with_options(question, options)
    return Question(text, LETTERS[right].upper(), question, options[right], subset)


class ChoiceProtocol(WholeOutputs, ChoiceReader, ABC):
    """All of a `BoardProtocol` whose answers are choices, but the rows and the smoke corpus.

    A board's class sets `example_columns` and adds `read_questions`, `smoke_questions` and
    `smoke_training`.
    """

    example_columns: ClassVar[tuple[str, str]]
    lengths = Lengths(example=139, shared=23, answer=109, row=115)
    """General-nlp's; a board of other texts has its own."""

    def __init__(self, challenge: Challenge) -> None:
        """Take the facts of the challenge's rules."""
        super().__init__(load_board(challenge.id))
        rules = challenge.protocol
        assert isinstance(rules, ChoiceEvaluation)
        self.challenge = challenge
        self.id = rules.id
        self.decoding = Decoding(
            batch_size=rules.batch_size, max_length_tokens=None, seed=rules.seed
        )
        self.second: SecondMeasure | None = SecondMeasure(
            answers={item.task: self.targets(item.task) for item in challenge.evaluation},
            space=False,
            version="1.0",
        )
        self._rules = rules

    @abstractmethod
    def read_questions(self, task: str, files: Sequence[Path]) -> list[Question]:
        """Return the rows of a set's files in the official order.

        Raises:
            EvaluationError: a file cannot be read, or is of another set.
        """

    @abstractmethod
    def smoke_questions(self, task: str) -> list[Question]:
        """Return the synthetic rows that stand for a set."""

    def rows(self, task: str, files: Sequence[Path]) -> OfficialSet:
        """Build the official rows of a set from its files; see `BoardProtocol`.

        The rows of a known look-alike are taken as they are: a run on them is not eligible.
        """
        official = self._official(task, self.read_questions(task, files))
        substitutes = self._set(task).substitutes
        if not substitutes or sha256_file(files[0]) not in substitutes:
            names = ", ".join(dict.fromkeys(path.name for path in files))
            check_rows(self.challenge, task, official.rows, names)
        return official

    def smoke_rows(self, task: str) -> OfficialSet:
        """Return the synthetic rows that stand for a set."""
        return self._official(task, self.smoke_questions(task))

    def constants(self, task: str, targets: Sequence[str]) -> dict[str, float]:
        """Return the shares of three constant answers; no output is never right.

        `majority` is the answer that is most often right in all sets of the board that have such
        answers: the training set's answers are free text, so they name none.
        """
        found = super().constants(task, targets)
        return found | {"majority": targets.count(self._set(task).majority) / len(targets)}

    def asked(self, prompt: str) -> str:
        """Return the prompt between ChatML markers, for whatever the tokenizer takes them."""
        return self._rules.asked.format(prompt=prompt)

    def written(self, target: str) -> str:
        """Return the right answer as upstream's files have it: letters in upper case."""
        return target.upper() if target in LETTERS else target

    def question(self, prompt: str) -> str:
        """Return what the model is given: the first token that it writes is the answer."""
        return self.asked(prompt)

    def _set(self, task: str) -> ChoiceSet:
        item = self.challenge.evaluation_set(task)
        assert isinstance(item, ChoiceSet)
        return item

    def _official(self, task: str, questions: Sequence[Question]) -> OfficialSet:
        instruction = self._set(task).instruction
        examples = tuple((item.asked, item.answer) for item in questions)
        rows = tuple(
            Row(
                PROMPT.format(instruction=instruction, question=item.text),
                gold_of(item.gold),
                item.subset,
            )
            for item in questions
        )
        return OfficialSet(task=task, rows=rows, examples=examples, source=examples)
