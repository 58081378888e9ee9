"""The board of a project: its data set says, else its evaluation, else its README's table."""

from __future__ import annotations

from collections.abc import Callable

from harness.boards.board import Board, board_names, board_of_dataset, load_board
from harness.boards.registry import reader_of
from harness.claims.importing.evaluations import file_patterns
from harness.claims.importing.project import Project
from harness.claims.importing.readme.markdown import plain_markdown
from harness.claims.importing.readme.score_tables import table_rows
from harness.errors import UsageError


def choose_board(project: Project, dataset: str | None, challenge: str | None) -> Board:
    """Return the board of a project.

    Args:
        project: its files.
        dataset: the training set of its configuration, where one is there.
        challenge: as the user says, or None.

    Raises:
        UsageError: unknown, or it cannot be told.
    """
    if challenge is not None:
        return load_board(challenge)
    board = None if dataset is None else board_of_dataset(dataset)
    if board is not None:
        return board
    signs: tuple[Callable[[Project, Board], bool], ...] = (
        _has_results, _has_evaluation_folder, _has_table,
    )  # fmt: skip
    for sign in signs:
        present = [item for item in map(load_board, board_names()) if sign(project, item)]
        if len(present) == 1:
            return present[0]
        if present:
            break
    found = ", ".join(item.id for item in present) or "no evaluation files and no table of scores"
    if dataset is not None:
        found = f"training set {dataset}, which is no challenge's, and {found}"
    raise UsageError(f"{project.folder}: which challenge? found {found}; name it with --challenge")


def _has_results(project: Project, board: Board) -> bool:
    reader = reader_of(board.id)
    return any(
        next(project.matching(pattern), None)
        for task in board.rows
        for pattern in file_patterns(reader, task).values()
    )


def _has_evaluation_folder(project: Project, board: Board) -> bool:
    """Whether the evaluation's folder keeps the name that upstream's instructions give it."""
    return any(f"/flowertune-eval-{board.id}/" in f"/{name}" for name in project.names)


def _has_table(project: Project, board: Board) -> bool:
    if "README.md" not in project.names:
        return False
    text = plain_markdown(project.text("README.md"))
    return next(table_rows(text, board), None) is not None
