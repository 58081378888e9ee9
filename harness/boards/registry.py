"""The registry finds the object that reads or runs a board, by its id, a set or its challenge."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from harness.boards.board import Board, board_folder, board_names, load_board
from harness.boards.challenge import MODULE, Challenge, challenge_names, load_challenge
from harness.boards.protocol import BoardProtocol, Reader
from harness.boards.protocols.choices import ChoiceReader
from harness.errors import RecordError, UsageError, did_you_mean

READERS: dict[str, Callable[[Board], Reader]] = {"choices": ChoiceReader}
"""What reads the published files of a board that cannot be run yet."""


MEMBERS = sorted(
    name for part in (Reader, BoardProtocol) for name in vars(part) if not name.startswith("_")
)
"""What a board's object must have."""


def protocol_of(challenge: Challenge) -> BoardProtocol:
    """Return the protocol object of a challenge, made by its board's module.

    Raises:
        RecordError: the module makes no such object.
    """
    folder = board_folder(challenge.id)
    file = folder.joinpath(MODULE)
    module = import_module(f"harness.boards.{folder.name}.protocol")
    make = getattr(module, "protocol", None)
    if make is None:
        raise RecordError(f"{file}: no function `protocol`; expected protocol(challenge)")
    found: BoardProtocol = make(challenge)
    lack = [name for name in MEMBERS if not hasattr(found, name)]
    if lack:
        raise RecordError(
            f"{file}: its protocol lacks {', '.join(lack)}; see {__package__}.protocol"
        )
    return found


def reader_of(board_id: str) -> Reader:
    """Return what reads the published files of a board, whether or not it can be run.

    Raises:
        UsageError: no board has that id.
        RecordError: the board is incomplete: its rules are needed to read its files.
    """
    if board_id in challenge_names():
        return protocol_of(load_challenge(board_id))
    board = load_board(board_id)
    if board.published not in READERS:
        raise RecordError(
            f"{board_folder(board_id).joinpath('rules.toml')}: is missing; {board.published} are"
            " read by its rules"
        )
    return READERS[board.published](board)


def board_of_task(task: str) -> Board:
    """Return the board that has an evaluation set called `task`.

    Raises:
        UsageError: no board has it.
    """
    boards = evaluation_sets()
    if task not in boards:
        raise UsageError(f"no task {task!r}; {did_you_mean(task, boards)}")
    return boards[task]


def evaluation_sets() -> dict[str, Board]:
    """Return every evaluation set there is, and the board that has it."""
    boards = [load_board(name) for name in board_names()]
    return {task: board for board in boards for task in (*board.rows, *board.unranked)}
