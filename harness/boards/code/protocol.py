"""The code board's own part of the protocol: problems in three languages, and a corpus of its own.

Source of the forms: yan-gao-GY/bigcode-evaluation-harness at 2025-02-07,
bigcode_eval/tasks/{mbpp,humaneval,multiple}.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge
from harness.boards.protocol import SMOKE_ROWS
from harness.boards.protocols.program_protocol import Problem, ProgramProtocol
from harness.boards.tables import made_of_rows

CORPUS_SEED = 20_260_329


def _mbpp(row: dict[str, Any]) -> Problem:
    text, checks = row["text"], row["test_list"]
    return Problem(f'"""\n{text}\n{checks[0]}\n"""\n', "\n".join(checks), text, row["code"])


def _humaneval(row: dict[str, Any]) -> Problem:
    tests = f"\n{row['test']}\ncheck({row['entry_point']})"
    return Problem(row["prompt"].strip(), tests, row["prompt"], row["canonical_solution"])


def _multipl_e(row: dict[str, Any]) -> Problem:
    return Problem(row["prompt"].strip(), row["tests"], row["prompt"])


MULTIPL_E = (("prompt", "tests"), _multipl_e)

SETS: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], Problem]]] = {
    "mbpp": (("text", "code", "test_list"), _mbpp),
    "humaneval": (("prompt", "canonical_solution", "test", "entry_point"), _humaneval),
    "multiple-js": MULTIPL_E,
    "multiple-cpp": MULTIPL_E,
}
"""Set -> its columns, and what makes a problem of a row."""

SMOKE: dict[str, tuple[str, str, str]] = {
    "mbpp": (
        '"""\nWrite a function to {words}.\nassert {name}(2) == {two}\n"""\n',
        "def {name}(x):\n    return x {sign} {number}",
        "assert {name}(2) == {two}\nassert {name}(7) == {seven}",
    ),
    "humaneval": (
        'def {name}(x):\n    """Return x: {words}.\n    """',
        "\n    return x {sign} {number}",
        "\n\ndef check(candidate):\n    assert candidate(2) == {two}\n    assert candidate(7) =="
        " {seven}\n\ncheck({name})",
    ),
    "multiple-js": (
        "//Given x, {words}.\nfunction {name}(x){{",
        "\n  return x {sign} {number};\n}}",
        "const assert = require('node:assert');\nassert.deepEqual({name}(2), {two});\n"
        "assert.deepEqual({name}(7), {seven});",
    ),
    "multiple-cpp": (
        "#include<assert.h>\n// Given x, {words}.\nlong {name}(long x) {{",
        "\n  return x {sign} {number};",
        "}}\nint main() {{\n  assert({name}(2) == {two});\n  assert({name}(7) == {seven});\n}}",
    ),
}
"""Set -> prompt, solution and tests of a sum or a product."""

KINDS = (("add", "+", "add {number} to a number"), ("scale", "*", "multiply a number by {number}"))


def _sum(draw: random.Random) -> dict[str, Any]:
    """Return a small piece of arithmetic, by the names of its parts in `SMOKE`."""
    verb, sign, words = draw.choice(KINDS)
    number = draw.randint(2, 99)
    two, seven = (2 + number, 7 + number) if sign == "+" else (2 * number, 7 * number)
    return {
        "name": f"{verb}_{number}", "sign": sign, "number": number, "two": two, "seven": seven,
        "words": words.format(number=number),
    }  # fmt: skip


class Code(ProgramProtocol):
    """Problems in Python, JavaScript and C++. Everything else is what `ProgramProtocol` does."""

    example_columns = ("instruction", "output")

    def read_problems(self, task: str, files: Sequence[Path]) -> list[Problem]:
        """Read a set's file, one problem a row.

        Raises:
            EvaluationError: a row is no problem of the set.
        """
        columns, problem_of = SETS[task]
        dataset = self.challenge.evaluation_set(task).dataset
        return made_of_rows(files[0], columns, problem_of, f"problem of {task}", dataset)

    def smoke_problems(self, task: str) -> list[Problem]:
        """Return sums and products of small numbers, in the form of the set."""
        draw = random.Random(f"{CORPUS_SEED}/{task}")
        problems = []
        for _ in range(SMOKE_ROWS):
            parts = _sum(draw)
            prompt, solution, tests = (form.format(**parts) for form in SMOKE[task])
            problems.append(Problem(prompt, tests, parts["words"], solution))
        return problems

    def smoke_training(self) -> list[dict[str, str]]:
        """Return synthetic instructions, a third of them with an input."""
        draw = random.Random(f"{CORPUS_SEED}/training")
        rows = []
        for place in range(self.smoke_training_rows):
            parts = _sum(draw)
            rows.append(
                {
                    "instruction": f"Write a Python function to {parts['words']}.",
                    "input": f"x = {draw.randint(2, 99)}" if place % 3 == 0 else "",
                    "output": SMOKE["mbpp"][1].format(**parts),
                }
            )
        return rows


def protocol(challenge: Challenge) -> Code:
    """Return the protocol object of the code challenge."""
    return Code(challenge)
