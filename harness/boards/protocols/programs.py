"""The published files of boards whose outputs are programs: one is right when it passes its tests.

A published file holds whole programs, prompt included; where a prompt ends is found by the digests
of the official ones, so no data set is needed to say that a file is of another task.

Source: adap/flower, benchmarks/flowertune-llm/evaluation/code, and the scorer that it calls,
yan-gao-GY/bigcode-evaluation-harness, at 2026-03-29.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge, ProgramEvaluation, ProgramSet
from harness.boards.protocol import PublishedRow, Reading
from harness.boards.rows import CONTEXT_CHARS, pinned_digests, refuse
from harness.document import parse_json, read_text
from harness.errors import EvaluationError, RecordError

PASSED = "passed"
"""The one answer that is right."""

LONGEST_PROMPT = 8192
"""Characters at the beginning of a program in which its prompt must end; the longest official one
has 2,067."""


def until_stop(completion: str, stop_words: Iterable[str]) -> str:
    """Return a completion up to the first stop word in it."""
    places = (completion.find(word) for word in stop_words)
    return completion[: min((place for place in places if place >= 0), default=None)]


def program_of(prompt: str, completion: str, tests: str) -> str:
    """Return the program that is executed: a problem's prompt, a completion and the tests."""
    return f"{prompt}{completion}\n{tests}"


class ProgramReader:
    """What the published files of programs say. Whether a program passes does not follow from its
    text, so nothing is recounted here: `harness.scoring.execution` executes them."""

    rederivable = False

    def __init__(self, challenge: Challenge) -> None:
        """Take the challenge whose rules say what is official."""
        rules = challenge.protocol
        assert isinstance(rules, ProgramEvaluation)
        self.challenge, self.settings = challenge, rules.settings

    @functools.cached_property
    def pinned(self) -> dict[str, tuple[str, ...]]:
        """Task -> digests of its official rows in order."""
        return pinned_digests(self.challenge.id)

    def program_set(self, task: str) -> ProgramSet:
        """Return the evaluation set called `task`, which the board has."""
        item = self.challenge.evaluation_set(task)
        assert isinstance(item, ProgramSet)
        return item

    def read(self, task: str, output: str, target: str) -> Reading:
        """Refuse: a program must be executed.

        Raises:
            EvaluationError: always.
        """
        raise EvaluationError(
            f"{task}: whether a program passes does not follow from its text; `harness rescore"
            f" {task} FILE --execute` runs the programs of a file"
        )

    def answers(self, task: str) -> tuple[str, ...]:
        """Return the answers that executing a program gives."""
        return (PASSED, "failed", "timed out")

    def targets(self, task: str) -> tuple[str, ...]:
        """Return the one answer that is right."""
        return (PASSED,)

    def measures(self, task: str, pairs: Mapping[tuple[str, str], int]) -> dict[str, float]:
        """Return nothing: pass@1 is the accuracy, and programs are no classes."""
        return {}

    def constants(self, task: str, targets: Sequence[str]) -> dict[str, float]:
        """Return what no completion and the best constant one pass: none of the tests.

        Source: `bench/constant_programs.py`, 21 completions executed with every official row.
        """
        return {"empty_answer": 0.0, "best_constant": 0.0}

    def accuracy_file(self, task: str) -> str:
        """Return a regular expression for `<run>/evaluation_results_<task>.json`."""
        return rf"(?:(?:.*/)?(?P<run>[^/]*)/)?{re.escape(self.results_file(task))}"

    def results_file(self, task: str) -> str:
        """Return the name of upstream's results file of a set."""
        return f"evaluation_results_{task}.json"

    def stated_accuracy(self, task: str, text: str) -> str | None:
        """Return pass@1 in the text of a results file."""
        results = _object(text).get(task)
        score = results.get("pass@1") if isinstance(results, dict) else None
        return repr(score) if type(score) in (int, float) else None

    def unofficial_settings(self, task: str, text: str) -> tuple[str, ...]:
        """Return one phrase for each setting in a results file that is not the official one."""
        config = _object(text).get("config")
        if not isinstance(config, dict):
            return ("no config: how the programs were made is not stated",)
        official = {
            **self.settings,
            "tasks": task,
            "max_length_generation": self.program_set(task).max_length_tokens,
        }
        return tuple(
            f"{name} is {_shown(config, name)}, officially {json.dumps(value)}"
            for name, value in official.items()
            if not _same(config, name, value)
        )

    def generations_file(self, task: str) -> str | None:
        """Return a regular expression for `<run>/generations_<task>.json`."""
        return rf"(?:(?:.*/)?(?P<run>[^/]*)/)?generations_{re.escape(task)}\.json"

    def published(self, text: str, name: str) -> list[PublishedRow]:
        """Refuse, as `read` does.

        Raises:
            EvaluationError: always.
        """
        raise EvaluationError(
            f"{name}: programs of the {self.challenge.id} board are scored by executing them: add"
            " --execute, which runs each in a sandbox with its tests; the score that a project"
            f" states is in its {self.results_file('<task>')}"
        )

    def generations(self, task: str, path: Path, prompts: Sequence[str] | None = None) -> list[str]:
        """Return the programs of a published generations file; see `programs_in`."""
        return self.programs_in(task, read_text(path), str(path), prompts)

    def programs_in(
        self, task: str, text: str, where: str, prompts: Sequence[str] | None = None
    ) -> list[str]:
        """Return the programs of a published generations file, tests not included.

        Args:
            task: evaluation set.
            text: of the file: a JSON array with an array of one text for each problem.
            where: how messages call the file.
            prompts: the official ones, to say where one differs; None: not at hand.

        Raises:
            RecordError: no JSON.
            EvaluationError: it has another form, or its prompts are not the official ones in
                order; the first wrong row is named, or the task whose prompts they are.
        """
        texts = _texts(text, where)
        known = {
            digest[:CONTEXT_CHARS]: digest for digests in self.pinned.values() for digest in digests
        }
        wanted = self.pinned[task]
        found = []
        for place, text in enumerate(texts):
            right = wanted[place] if place < len(wanted) else ""
            begun = list(_beginnings(text))
            if right[:CONTEXT_CHARS] in begun:
                found.append(right)
            else:
                # The longest known beginning: a prompt may be how another one begins.
                found.append(next((known[one] for one in reversed(begun) if one in known), ""))
        if tuple(found) == wanted:
            return texts
        try:
            refuse(self.pinned, task, found, where)  # Raises, whatever it finds.
        except EvaluationError as error:
            if prompts is None or "its prompt differs" not in str(error):
                raise
            pairs = enumerate(zip(found, wanted, strict=False))
            place = next(i for i, (one, other) in pairs if one != other)
            raise EvaluationError(f"{error}; {_difference(texts[place], prompts[place])}") from None


def _texts(text: str, where: str) -> list[str]:
    value = parse_json(text, where)
    if not isinstance(value, list) or not value:
        held = "no programs" if value == [] else f"a JSON {type(value).__name__}"
        raise EvaluationError(
            f"{where}: {held}; expected the array that upstream's harness saves as"
            " generations_<task>.json"
        )
    texts = []
    for place, item in enumerate(value):
        if not isinstance(item, list) or len(item) != 1 or not isinstance(item[0], str):
            held = f"an array of {len(item)}" if isinstance(item, list) else type(item).__name__
            raise EvaluationError(
                f"{where}: row {place}: {held}; expected an array of one text, the first sample"
            )
        texts.append(item[0])
    return texts


def _beginnings(text: str) -> Iterator[str]:
    """Yield the digest, as `context_digest` makes it, of every beginning that can be a prompt."""
    digest = hashlib.sha256()
    for character in text[:LONGEST_PROMPT]:
        digest.update(character.encode("utf-8", "surrogatepass"))
        yield digest.hexdigest()[:CONTEXT_CHARS]


def _difference(text: str, prompt: str) -> str:
    """Return how a text does not begin with its prompt."""
    pairs = enumerate(zip(text, prompt, strict=False))
    place = next((i for i, (found, wanted) in pairs if found != wanted), len(text))
    near = slice(place, place + 12)
    words = f"from character {place} on: {text[near]!r}, not {prompt[near]!r}"
    if "".join(text.split()).startswith("".join(prompt.split())):
        words += (
            "; only white space is other: a tokenizer that does not give the prompt back character"
            " by character, which also shifts where the completion begins"
        )
    return words


def _object(text: str) -> dict[str, Any]:
    try:
        value = parse_json(text, "results")
    except RecordError:
        return {}
    return value if isinstance(value, dict) else {}


def _same(config: dict[str, Any], name: str, official: bool | int | float | str) -> bool:
    if official == "null":
        return name in config and config[name] is None
    value = config.get(name)
    # True == 1 in Python, and a JSON file may write 0.0 for 0.
    return isinstance(value, bool) == isinstance(official, bool) and value == official


def _shown(config: dict[str, Any], name: str) -> str:
    return f"{json.dumps(config[name]):.60}" if name in config else "not stated"
