"""A board: one leaderboard as its page shows it and as claims are compared with it.

Each board is a folder beside this file. `board.toml` holds what is for show and for claims, and
`rules.toml`, where the board can be run, what its participants are bound by. A fact stands in one
of the two: what `rules.toml` fixes is taken from there, so that it cannot be said twice.

Source of the facts: flwrlabs/flower at 2026-03-29, examples/flowertune-llm-* (READMEs and
pyproject.toml) and benchmarks/flowertune-llm/evaluation; row counts as in published generations.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Literal

from pydantic import Field

from harness.document import Document, parse_document
from harness.errors import RecordError, UsageError, did_you_mean

BOARD = "board.toml"
RULES_FILE = "rules.toml"


class BoardSet(Document):
    """One evaluation set of a board."""

    task: str
    """Name of the set in commands, records and file names."""
    heading: str
    """Name of the set in a table."""
    spellings: tuple[str, ...]
    """Names of the set in READMEs, lower case, letters and digits only."""
    rows: int = Field(gt=0)
    answers: Literal["letter", "yes-no"] = "letter"
    """What a choice is made of; of no meaning on boards whose outputs are no choices."""


class ShownMeasure(Document):
    """A measure of a score that tables show beside the accuracy."""

    name: str
    """Name of the measure in a record."""
    heading: str
    """Name of the measure in a table."""
    percent: bool
    """Whether the card writes it in percent; else as a number with three decimals."""


class ShownSecond(Document):
    """How the second measure is shown: an accuracy of the same rows without generated text."""

    heading: str
    """Name of the measure in a table."""
    about: str
    """What it is, for the notes of the page: "the answer that ..."."""


class Board(Document):
    """One leaderboard of FlowerTune."""

    id: str
    title: str
    """Heading of the board's page."""
    supernodes: int = Field(gt=0)
    min_clients: int = Field(ge=1)
    """Fewest clients that a round samples, whatever the fraction."""
    limit_mib: int = Field(gt=0)
    """Communication that a run must not exceed, in MiB, both directions together."""
    datasets: tuple[str, ...] = Field(min_length=1)
    """Hub ids of the training set, the current one first, then former ones."""
    default: bool = False
    """Whether a recipe that names no board is made for this one."""
    metric: str
    """What the board calls its score: `accuracy` or `pass@1`."""
    published: Literal["labels", "choices", "programs"]
    """Which evaluation files a project of this board publishes; see `harness.boards.protocols`."""
    baseline: str
    """How upstream's own entry was made."""
    second: ShownSecond | None = None
    """None where the board has no second measure."""
    measures: tuple[ShownMeasure, ...] = ()
    """In the order of the columns."""
    sets: tuple[BoardSet, ...] = Field(min_length=1)
    """In the order of the board's columns."""
    command: dict[str, tuple[str, ...]] = {}
    """Option of upstream's evaluation command -> its official values, which decide the result."""
    command_note: str = ""
    """What another value changes, after the official ones: "; pads decide labels"."""
    unranked: tuple[str, ...] = ()
    """Sets that upstream's script evaluates as well and the board does not count."""

    @property
    def rows(self) -> dict[str, int]:
        """Evaluation set -> its number of rows, in the order of the columns."""
        return {item.task: item.rows for item in self.sets}

    @property
    def spellings(self) -> dict[str, tuple[str, ...]]:
        """Evaluation set -> its names in READMEs."""
        return {item.task: item.spellings for item in self.sets}

    @property
    def headings(self) -> dict[str, str]:
        """Evaluation set -> its name in a table."""
        return {item.task: item.heading for item in self.sets}

    def clients_per_round(self, fraction: float) -> int:
        """Return how many clients a round samples.

        Source: flwr `FedAvg.configure_train`.
        """
        return max(int(self.supernodes * fraction), self.min_clients)


@functools.cache
def load_board(board_id: str) -> Board:
    """Return the board called `board_id`.

    Raises:
        UsageError: no board has that id.
        RecordError: its folder is incomplete or wrong; the file is named.
    """
    return read_board(board_folder(board_id))


def board_names() -> list[str]:
    """Return the ids of all boards, those included that cannot be run yet."""
    return sorted(board_folders())


@functools.cache
def default_board() -> str:
    """Return the id of the board that a recipe is made for when it names none.

    Raises:
        RecordError: not exactly one board is the default.
    """
    found = [name for name in board_names() if load_board(name).default]
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise RecordError(f"boards that are the default: {names}; expected one, see {BOARD}")
    return found[0]


def board_of_dataset(name: str) -> Board | None:
    """Return the board whose training set has, or had, the hub id `name`; None without one."""
    boards = (load_board(item) for item in board_names())
    return next((board for board in boards if name in board.datasets), None)


def board_folder(board_id: str) -> Traversable:
    """Return the folder of the board called `board_id`.

    Raises:
        UsageError: no board has that id.
    """
    folders = board_folders()
    if board_id not in folders:
        raise UsageError(f"unknown challenge {board_id!r}; {did_you_mean(board_id, folders)}")
    return folders[board_id]


@functools.cache
def board_folders() -> dict[str, Traversable]:
    """Return id -> folder of every board that ships with the harness."""
    return find_boards(resources.files("harness.boards"))


def find_boards(parent: Traversable) -> dict[str, Traversable]:
    """Return id -> folder of every board under `parent`.

    A folder is a board's when it holds one of the files of a board. Its name is the id, with an
    underscore for each hyphen, because the folder is also a Python package.

    Raises:
        RecordError: a folder has no `board.toml`, two boards have one id, or a folder is not named
            for its board.
    """
    found: dict[str, Traversable] = {}
    for folder in sorted(_candidates(parent), key=lambda item: item.name):
        board_id = read_toml(folder, BOARD).get("id")
        if board_id in found:
            raise RecordError(
                f"{folder.joinpath(BOARD)}: its id {board_id!r} is the id of"
                f" {found[board_id].name} as well; give each board an id of its own"
            )
        if not isinstance(board_id, str) or board_id.replace("-", "_") != folder.name:
            raise RecordError(
                f"{folder.joinpath(BOARD)}: its id is {board_id!r}, expected the folder's name"
                f" {folder.name!r}, with hyphens for underscores; rename one of the two"
            )
        found[board_id] = folder
    return found


def _candidates(parent: Traversable) -> Iterator[Traversable]:
    for folder in parent.iterdir():
        if folder.is_dir() and any(folder.joinpath(name).is_file() for name in (BOARD, RULES_FILE)):
            yield folder


def read_toml(folder: Traversable, name: str) -> dict[str, Any]:
    """Return what one TOML file of a board's folder holds.

    Raises:
        RecordError: it is missing or no TOML.
    """
    file = folder.joinpath(name)
    if not file.is_file():
        raise RecordError(f"{file}: is missing; the board {folder.name} is incomplete without it")
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{file}: is no TOML ({error}); correct it") from None


def read_board(folder: Traversable) -> Board:
    """Return the board of a folder: its `board.toml`, completed by its `rules.toml`.

    Raises:
        RecordError: a fact is missing, or stands in both files.
    """
    file = folder.joinpath(BOARD)
    stated = read_toml(folder, BOARD)
    if not folder.joinpath(RULES_FILE).is_file():
        return parse_document(Board, stated, str(file))
    rules = read_toml(folder, RULES_FILE)
    try:
        fixed = {
            "title": rules["title"],
            "supernodes": rules["num_supernodes"],
            "min_clients": rules["min_clients"],
            "limit_mib": rules["communication"]["limit_mib"],
            "datasets": [rules["dataset"]["name"], *rules["dataset"].get("former_names", [])],
        }
        rows = {item["task"]: item["rows"] for item in rules["evaluation"]}
    except (KeyError, TypeError) as error:
        raise RecordError(
            f"{folder.joinpath(RULES_FILE)}: no {error}; see another board's"
        ) from None
    sets = stated.get("sets", [])
    twice = sorted(fixed.keys() & stated.keys())
    twice += [f"rows of {item.get('task')}" for item in sets if "rows" in item]
    if twice:
        raise RecordError(
            f"{file}: states {', '.join(twice)}, which {RULES_FILE} fixes; leave it to {RULES_FILE}"
        )
    if [item.get("task") for item in sets] != list(rows):
        raise RecordError(
            f"{file}: its sets are {', '.join(str(item.get('task')) for item in sets)}; expected"
            f" those of {RULES_FILE} in order: {', '.join(rows)}"
        )
    complete = [item | {"rows": rows[item["task"]]} for item in sets]
    return parse_document(Board, stated | fixed | {"sets": complete}, str(file))
