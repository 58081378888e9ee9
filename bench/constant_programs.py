"""How many problems of the code board a completion solves that is the same for all of them.

    python bench/constant_programs.py MIRROR

Executes every problem of every set with each of 21 completions in the sandbox: 3,744 programs, 8
minutes on two cores. Problems of `mbpp` name their function in the tests alone, so that no
completion which does not know the problem can pass; the one that is tried there is empty.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.boards.challenge import load_challenge
from harness.boards.execution import execute
from harness.boards.protocols.program_protocol import ProgramProtocol
from harness.boards.protocols.programs import program_of
from harness.boards.registry import protocol_of

BOARD = "code"
VALUES = {
    "python": ("True", "False", "None", "0", "1", "-1", "[]", "''"),
    "javascript": ("true", "false", "undefined", "0", "1", "-1", "[]", "''"),
    "cpp": ("true", "{}", "1", "-1"),
}
"""What a function returns, whatever it is asked. `{}` is the empty value of any type of C++."""

FORMS = {
    "python": "\n    return {}",
    "javascript": "\n  return {};\n}}",
    "cpp": "\n  return {};",
}


def answers(task: str, language: str) -> list[str]:
    """Return the completions that are tried; a set without a function to complete has one."""
    if task == "mbpp":
        return [""]
    return [FORMS[language].format(value) for value in VALUES[language]]


def main() -> None:
    """Execute and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mirror", type=Path)
    mirror = parser.parse_args().mirror
    challenge = load_challenge(BOARD)
    protocol = protocol_of(challenge)
    assert isinstance(protocol, ProgramProtocol)
    for item in challenge.evaluation:
        language = protocol.program_set(item.task).language
        files = [mirror / "datasets" / item.dataset / name for name in item.files]
        rows = protocol.rows(item.task, files).rows
        for answer in answers(item.task, language):
            programs = [program_of(row.context, answer, row.tests) for row in rows]
            done = execute(programs, language)
            print(f"{item.task} {answer!r}: {done.passed} of {len(rows)}", flush=True)


if __name__ == "__main__":
    main()
