"""Options of an evaluation command in a README that are not the official ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.boards.board import Board

CALL = re.compile(
    r"python3?[ \t][^\n]{0,200}?\b(?:eval|main)\.py((?:[^\n`]|\\\n|\n(?=[ \t]*--)){0,4000})"
)
OPTION = re.compile(r"--([a-z][a-z0-9_-]{1,40})(?:=|[ \t]+)[\"']?([\w.,+-]{1,80})")


def unofficial_options(text: str, file: str, board: Board) -> Iterator[str]:
    """Yield a phrase for each option of an evaluation command that changes the official result.

    Args:
        text: of a README.
        file: its name, for the phrase.
        board: whose official options are compared.
    """
    seen = set()
    for call in CALL.finditer(text):
        for name, value in OPTION.findall(call.group(1)):
            option = name.replace("_", "-")
            official = board.command.get(option)
            if official is None or value in official or (option, value) in seen:
                continue
            seen.add((option, value))
            yield f"{file}: --{option}={value}, officially {' or '.join(official)}"
