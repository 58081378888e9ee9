"""Evaluation files of a project: accuracies as written, generations recounted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.boards.board import Board
from harness.boards.challenge import challenge_names, load_challenge
from harness.boards.protocol import PublishedRow, Reader
from harness.boards.registry import reader_of
from harness.boards.rows import Row, check_rows
from harness.claims.figures import NUMBER
from harness.claims.importing.project import MAX_PUBLISHED_BYTES, Project
from harness.claims.record import ClaimedSet, Quote, Recount
from harness.document.reading import decode
from harness.errors import HarnessError, RecordError

ACCURACY, GENERATIONS = "accuracy", "generations"

Files = dict[str, dict[str, str]]
"""Evaluation set -> kind, one of the two -> file."""

Execute = Callable[[str, str, str], tuple[str, str]]
"""(evaluation set, text of a file of programs, its name) -> `1` or `0` for each row, and what
executed them. Raises HarnessError: they are not the programs of the official rows."""


def published_runs(project: Project, board: Board) -> dict[str, Files]:
    """Return run -> its files, of all evaluation files of a project."""
    reader = reader_of(board.id)
    found: dict[str, Files] = {}
    for task in board.rows:
        for kind, pattern in file_patterns(reader, task).items():
            for match in project.matching(pattern):
                files = found.setdefault(match["run"] or "results", {}).setdefault(task, {})
                files[kind] = match.string
    return found


def file_patterns(reader: Reader, task: str) -> dict[str, str]:
    """Return kind -> regular expression for the paths of a set's evaluation files."""
    generations = reader.generations_file(task)
    patterns = {ACCURACY: reader.accuracy_file(task)}
    return patterns if generations is None else patterns | {GENERATIONS: generations}


def read_sets(
    project: Project, board: Board, run: Files, unread: list[str], execute: Execute | None
) -> tuple[ClaimedSet, ...]:
    """Read the accuracy and generation files of one run.

    Args:
        project: its files.
        board: whose sets they are of.
        run: files of the run.
        unread: collects what cannot be read.
        execute: recounts files of programs; None: they are left alone.
    """
    return tuple(
        _one_set(project, board, task, run.get(task, {}), unread, execute) for task in board.rows
    )


def stated_fractions(project: Project, board: Board, run: Files) -> tuple[tuple[str, str], ...]:
    """Return (evaluation set, fraction) as the accuracy files of a run state them."""
    stated = (
        (task, _fraction(project, board, task, files[ACCURACY]))
        for task, files in run.items()
        if ACCURACY in files
    )
    return tuple((task, quote.text) for task, quote in stated if quote is not None)


def _one_set(
    project: Project,
    board: Board,
    task: str,
    files: Mapping[str, str],
    unread: list[str],
    execute: Execute | None,
) -> ClaimedSet:
    fraction = recount = None
    settings: tuple[str, ...] = ()
    if ACCURACY in files:
        fraction = _fraction(project, board, task, files[ACCURACY])
        if fraction is None:
            said = project.text(files[ACCURACY]).strip()[:60]
            expected = f"expected one {board.metric} between 0 and 1"
            unread.append(f"{files[ACCURACY]}: {said!r}; {expected}")
        else:
            text = project.text(files[ACCURACY])
            settings = reader_of(board.id).unofficial_settings(task, text)
    recounted = execute is not None or reader_of(board.id).rederivable
    if recounted and GENERATIONS in files:
        try:
            recount = recount_file(project, board, task, files[GENERATIONS], execute)
        except HarnessError as error:
            named = f"{files[GENERATIONS].rpartition('/')[2]}: "
            unread.append(f"{files[GENERATIONS]}: {str(error).removeprefix(named)[:160]}")
    return ClaimedSet(task=task, fraction=fraction, unofficial_settings=settings, recount=recount)


def _fraction(project: Project, board: Board, task: str, name: str) -> Quote | None:
    try:
        value = reader_of(board.id).stated_accuracy(task, project.text(name))
    except RecordError:
        return None
    unit = "" if board.metric == ACCURACY else board.metric
    if value is None or not NUMBER.fullmatch(value) or not 0 <= float(value) <= 1:
        return None
    return Quote(text=value, unit=unit, file=name)


def recount_file(
    project: Project, board: Board, task: str, name: str, execute: Execute | None = None
) -> Recount:
    """Recount one generations file.

    Args:
        project: its files.
        board: whose form the file has.
        task: evaluation set that the file is of.
        name: the file, relative to the project.
        execute: runs the programs of boards whose outputs are programs.

    Raises:
        HarnessError: the file is no generations file of this board.
    """
    # Read once: what is counted is what the digest is of.
    data = project.data(name, MAX_PUBLISHED_BYTES)
    reader, file = reader_of(board.id), name.rpartition("/")[2]
    rows, problem, toolchain = "official", "", ""
    if execute is not None and not reader.rederivable:
        bits, toolchain = execute(task, decode(data, file), file)
    else:
        published = reader.published(decode(data, file), file)
        bits = "".join("1" if _right(reader, task, row) else "0" for row in published)
        rows, problem = _official(board, file, task, published)
    return Recount(
        file=name,
        sha256=project.digests[name],
        correct=bits.count("1"),
        examples=len(bits),
        bits=bits,
        rows=rows,
        problem=problem,
        toolchain=toolchain,
    )


def _right(reader: Reader, task: str, row: PublishedRow) -> bool:
    """Whether a row is answered right: by its output, where it is there, else as the row states."""
    if row.output is not None:
        return reader.read(task, row.output, row.target).correct
    return row.stated == row.target


def _official(board: Board, file: str, task: str, published: list[PublishedRow]) -> tuple[str, str]:
    """Return whether the rows are the official ones, and why not."""
    if board.id not in challenge_names():
        return "unpinned", ""
    rows = [Row(row.prompt, row.target) for row in published]
    try:
        check_rows(load_challenge(board.id), task, rows, file)
    except HarnessError as error:
        return "other", str(error)[:300]
    return "official", ""
