"""The seam where a board comes in: what the harness asks of a board, and of nothing else.

Evaluation, rescore, verify, import, submit, training and the page meet a board only through the two
interfaces here. `Reader` is what published files need: any board has one. `BoardProtocol` adds what
a run needs; `harness.boards.registry` makes it of a challenge. Most of it is written once for all
boards of a kind, in `harness.boards.protocols`; a board's own module adds its rows and its corpus.

How the two are used, on one row of a board whose answers are labels:

    official = protocol.rows(task, files)                  # rows[7].context ends in "Answer: "
    protocol.settled(task, text_so_far)                    # True: the decoder may stop here
    output = protocol.output_of(prompt, text, new_text)    # what is kept and what is read
    protocol.read(task, output, rows[7].target)            # Reading("neutral", True, False)
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.boards.rows import OfficialSet, Row
from harness.document import Document

SMOKE_ROWS = 8
"""Rows of each evaluation set in a smoke run."""

OFFICIAL_TASK = "flowertune_{task}"
"""Name of an evaluation set's official measure as an lm-eval task."""

SECOND_TASK = "flowertune_{task}_loglikelihood"
"""Name of an evaluation set's second measure as an lm-eval task; stands in `Score.protocol`."""


class Reading(NamedTuple):
    """What one output says."""

    answer: str
    """As the official script reads it: a label, a choice, "passed"."""
    valid: bool | None
    """Whether the output holds an answer at all; False where `answer` is only what the script puts
    in its place, None where there is no output to look at."""
    correct: bool


class PublishedRow(NamedTuple):
    """One row of a published generations file."""

    where: str
    """Place in the file for messages: `line 3`."""
    prompt: str
    target: str
    """The right answer."""
    stated: str | None
    """The answer that the file states; None where it holds only the output."""
    output: str | None
    """Raw text; None where the file holds only the stated answer."""
    subset: str | None = None
    """Part of the set that the row belongs to, where the file says so."""
    row: str | None = None
    """Digest of the row, where a submission's file names it in place of its prompt."""


class ProgramForm(Document):
    """What one evaluation set asks of its programs."""

    language: str
    """Key of `harness.boards.execution.LANGUAGES`."""
    max_length_tokens: int
    """Prompt and completion together."""
    stop_words: tuple[str, ...]
    """A completion ends before the first of them. The tokenizer's EOS is one more."""


class Sampling(Document):
    """How completions of programs are drawn. Their base is in float32, its adapter merged."""

    temperature: float
    top_p: float
    samples: int
    """Completions that are drawn together of each problem; the first one is kept."""
    seed: int
    """Of the random numbers, set once for each evaluation set."""
    forms: dict[str, ProgramForm]
    """By evaluation set."""


class Decoding(Document):
    """How outputs are made. Greedy, from a base in fp4 that is computed in float32; or drawn."""

    batch_size: int
    """Rows that upstream's script takes together. Where they are padded, padding can decide what a
    row's text is."""
    max_length_tokens: int | None
    """Prompt, padding and continuation together. None: each prompt is decoded by itself, without
    padding or a pad token, and `BoardProtocol.written` says how many tokens are new."""
    seed: int
    """Seed of torch when the model is loaded."""
    sampling: Sampling | None = None
    """How outputs are drawn that are programs, each to be executed with the tests of its row; None
    where outputs are decoded greedily and read."""


class SecondMeasure(Document):
    """The second measure: which of a few answers the model finds most likely after a prompt."""

    answers: dict[str, tuple[str, ...]]
    """By evaluation set, in the order in which a row's log-likelihoods are written."""
    space: bool
    """Whether a space stands between the question and an answer, and belongs to the answer; else
    the answer's own tokens follow those of the question."""
    version: str
    """Version of the lm-eval task; raised when a row would be weighed otherwise."""


class Lengths(NamedTuple):
    """Mean tokens by SmolLM2's tokenizer, for forecasts of time and memory.

    Source: the boards' own rows, and training rows of the kind in the template's prompt.
    """

    example: int
    """Of a training example."""
    shared: int
    """With which the examples of a batch begin alike: computed once."""
    answer: int
    """Of an example's answer, which are trained on."""
    row: int
    """Computed for an evaluation row by both measures, a beginning that rows share once. Of
    programs: steps of drawing where no completion ends."""
    written: int = 0
    """Besides, where training does not teach the model to end its answers with EOS."""


class Reader(typing.Protocol):
    """How the outputs and the published files of a board are read. It needs no model and no data.

    Everything in it is pure, so that a score cannot mean two things: the evaluation, `rescore`,
    `verify`, `import` and `submit` all call the same `read`.
    """

    @property
    def rederivable(self) -> bool:
        """Whether a reading follows from the output's text alone, so that files can be recounted;
        else it is taken as it is stated, and verify says so."""

    def read(self, task: str, output: str, target: str) -> Reading:
        """Return what an output says, as the official script reads it."""

    def answers(self, task: str) -> tuple[str, ...] | None:
        """Return every answer that a reading can have; None where that is open."""

    def targets(self, task: str) -> tuple[str, ...]:
        """Return every right answer that a row can have."""

    def measures(self, task: str, pairs: Mapping[tuple[str, str], int]) -> dict[str, float]:
        """Return what is measured beside the accuracy, by name of the field of a `Score`.

        Args:
            task: evaluation set.
            pairs: (right answer, answer) -> rows of it, one at least.
        """

    def constants(self, task: str, targets: Sequence[str]) -> dict[str, float]:
        """Return what answers that need no model would score on these rows, by name."""

    def accuracy_file(self, task: str) -> str:
        """Return a regular expression for the path of a published accuracy file.

        Its group `run` is the name of the run that the file belongs to.
        """

    def stated_accuracy(self, task: str, text: str) -> str | None:
        """Return the accuracy in the text of an accuracy file, a fraction; None without one."""

    def unofficial_settings(self, task: str, text: str) -> tuple[str, ...]:
        """Return a phrase for each setting in the text of an accuracy file that is not official."""

    def generations_file(self, task: str) -> str | None:
        """Return a regular expression as `accuracy_file` does; None where no board has such files.

        Where readings do not follow from texts, what the file holds must be executed.
        """

    def published(self, text: str, name: str) -> list[PublishedRow]:
        """Read the text of a published generations file.

        Args:
            text: of the file.
            name: how messages call it.

        Raises:
            RecordError: no JSON.
            EvaluationError: empty, or a row lacks a field or holds a wrong one, which is named; or
                readings of this board do not follow from texts, whatever the text is.
        """


class BoardProtocol(Reader, typing.Protocol):
    """Everything that a run needs of its board."""

    @property
    def id(self) -> str:
        """Name of the official evaluation; stands in `Score.protocol`."""

    @property
    def decoding(self) -> Decoding:
        """How outputs are made."""

    @property
    def second(self) -> SecondMeasure | None:
        """The second measure; None where answers are not few enough to weigh each of them.

        Answers are weighed as `written` spells them.
        """

    @property
    def example_columns(self) -> tuple[str, str]:
        """Columns of the training set that an evaluation row may repeat: (text, answer)."""

    @property
    def lengths(self) -> Lengths:
        """How long its texts are."""

    @property
    def smoke_training_rows(self) -> int:
        """Number of synthetic rows that a smoke run trains on."""

    def rows(self, task: str, files: Sequence[Path]) -> OfficialSet:
        """Build the official rows of a set from its files and check them against the pins.

        Raises:
            EvaluationError: the files do not give the pinned rows.
        """

    def smoke_rows(self, task: str) -> OfficialSet:
        """Return the `SMOKE_ROWS` synthetic rows that stand for a set in a smoke run."""

    def smoke_training(self) -> list[dict[str, str]]:
        """Return the `smoke_training_rows` rows, column -> text, that a smoke run trains on."""

    def asked(self, prompt: str) -> str:
        """Return the text that the model is given for a prompt."""

    def written(self, target: str) -> str:
        """Return a right answer as upstream's files spell it.

        Where prompts are decoded by themselves, each row of a batch gets as many new tokens as this
        text of the batch's first row has.
        """

    def output_of(self, prompt: str, text: str, new_text: str) -> str:
        """Return the part of a decoded row that is kept and read.

        Args:
            prompt: as the row has it.
            text: prompt and continuation, decoded together.
            new_text: the continuation, decoded by itself.
        """

    def settled(self, task: str, text: str) -> bool:
        """Whether no continuation of `text`, prompt included, can change its reading any more."""

    def hint(self, tail: str) -> bool:
        """Whether the last tokens of a text can have settled it: a cheap test before `settled`.

        A False that should be True only costs time: decoding stops later, or never.
        """

    def question(self, prompt: str) -> str:
        """Return the prompt as the second measure puts it, without what belongs to the answer."""

    def held_out(self, row: Mapping[str, str]) -> Row | None:
        """Return a training row, column -> text, in the form of the board's own rows.

        None where it is no question of theirs, or has an answer that none of them has.
        """

    def passages(self, prompt: str) -> tuple[str, ...]:
        """Return the parts of a prompt that the set's licence does not let be passed on."""
