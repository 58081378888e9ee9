"""All that a run needs of a board whose answers are programs, but its rows and its smoke corpus.

Upstream's harness draws four completions of a problem together and keeps the first. It is cut at
the first stop word, and prompt, completion and tests make the program that is executed:

    def add_3(x):                       the prompt, without its last line break
        \"\"\"Return x plus 3.\"\"\"
        return x + 3                    the completion begins with that line break
    print(add_3(1))                     a stop word of the set begins here: cut away, with the rest

    def check(candidate):               the tests of the row
        assert candidate(2) == 5
    check(add_3)

Source: yan-gao-GY/bigcode-evaluation-harness at 2025-02-07, bigcode_eval/{generation,utils}.py.
Restated in our words; `docs/evaluation.md` lists what follows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from harness.boards.challenge import Challenge, ProgramEvaluation, ProgramSet
from harness.boards.protocol import Decoding, Lengths, ProgramForm, Sampling, SecondMeasure
from harness.boards.protocols.programs import PASSED, ProgramReader
from harness.boards.protocols.whole_outputs import WholeOutputs
from harness.boards.rows import OfficialSet, Row, check_rows, fingerprint, row_digest
from harness.errors import EvaluationError


class Problem(NamedTuple):
    """One row of a set, as its files give it."""

    prompt: str
    """What the model completes."""
    tests: str
    asked: str
    """The task in words, as a training row may repeat it."""
    solution: str = ""
    """A solution, where the set has one."""


class ProgramProtocol(WholeOutputs, ProgramReader, ABC):
    """All of a `BoardProtocol` whose answers are programs, but the rows and the smoke corpus.

    A board's class sets `example_columns` and adds `read_problems`, `smoke_problems` and
    `smoke_training`.
    """

    example_columns: ClassVar[tuple[str, str]]
    lengths = Lengths(example=138, shared=24, answer=77, row=1436)
    """Code's; a board of other texts has its own."""
    second: SecondMeasure | None = None

    def __init__(self, challenge: Challenge) -> None:
        """Take the facts of the challenge's rules."""
        super().__init__(challenge)
        rules = challenge.protocol
        assert isinstance(rules, ProgramEvaluation)
        self.id = rules.id
        sets = [item for item in challenge.evaluation if isinstance(item, ProgramSet)]
        self.decoding = Decoding(
            batch_size=rules.samples,
            max_length_tokens=None,
            seed=rules.seed,
            sampling=Sampling(
                temperature=rules.temperature,
                top_p=rules.top_p,
                samples=rules.samples,
                seed=rules.seed,
                forms={
                    item.task: ProgramForm(
                        language=item.language,
                        max_length_tokens=item.max_length_tokens,
                        stop_words=item.stop_words,
                    )
                    for item in sets
                },
            ),
        )

    @abstractmethod
    def read_problems(self, task: str, files: Sequence[Path]) -> list[Problem]:
        """Return the rows of a set's files in the official order.

        Raises:
            EvaluationError: a file cannot be read, or is of another set.
        """

    @abstractmethod
    def smoke_problems(self, task: str) -> list[Problem]:
        """Return the synthetic rows that stand for a set; each has a solution."""

    def rows(self, task: str, files: Sequence[Path]) -> OfficialSet:
        """Build the official rows of a set from its files; see `BoardProtocol`.

        Raises:
            EvaluationError: prompts or tests are not the pinned ones.
        """
        official = self._official(task, self.read_problems(task, files))
        item, names = self.program_set(task), ", ".join(path.name for path in files)
        prompts = tuple(map(row_digest, official.rows)) == self.pinned[task]
        if prompts and fingerprint(official.rows) != item.fingerprint:
            raise EvaluationError(
                f"{names}: prompts are the official ones of {task}, tests are not; fetch"
                f" {item.dataset} again: a score by other tests is not comparable"
            )
        check_rows(self.challenge, task, official.rows, names)
        return official

    def smoke_rows(self, task: str) -> OfficialSet:
        """Return the synthetic rows that stand for a set."""
        return self._official(task, self.smoke_problems(task))

    def asked(self, prompt: str) -> str:
        """Return the prompt: the model is given nothing else."""
        return prompt

    def written(self, target: str) -> str:
        """Return what upstream calls a program that passes; nothing is decoded by it."""
        return target

    def question(self, prompt: str) -> str:
        """Return the prompt: there is no second measure."""
        return prompt

    def _official(self, task: str, problems: Sequence[Problem]) -> OfficialSet:
        examples = tuple((item.asked, item.solution) for item in problems)
        rows = tuple(Row(item.prompt, PASSED, tests=item.tests) for item in problems)
        return OfficialSet(task=task, rows=rows, examples=examples, source=examples)
