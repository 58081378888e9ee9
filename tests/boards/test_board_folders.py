"""A board is a folder: complete and of one mind, or refused with the file's name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.boards.board import (
    board_folder,
    board_names,
    board_of_dataset,
    default_board,
    find_boards,
    load_board,
    read_board,
)
from harness.boards.challenge import challenge_names, load_challenge, read_challenge
from harness.boards.leaks import pinned_leaks
from harness.boards.registry import protocol_of
from harness.boards.rows import read_pinned_digests
from harness.errors import RecordError, UsageError


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    """A copy of all boards' folders."""
    with resources.as_file(resources.files("harness.boards")) as folder:
        return Path(shutil.copytree(folder, tmp_path / "boards"))


PLAIN = """\
id = "plain"
title = "A board without rules"
supernodes = 10
min_clients = 2
limit_mib = 200000
datasets = ["someone/some-set"]
metric = "accuracy"
published = "choices"
baseline = "none"

[[sets]]
task = "riddles"
heading = "Riddles"
spellings = ["riddles"]
rows = 7
"""


@pytest.fixture
def plain(boards: Path) -> Path:
    """The folder of a board that can be read and not run."""
    folder = boards / "plain"
    folder.mkdir()
    (folder / "board.toml").write_text(PLAIN)
    assert "plain" in find_boards(boards)
    return folder


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def test_every_board_can_be_loaded_and_found_by_its_data_set() -> None:
    assert len(board_names()) >= 4
    for name in board_names():
        board = load_board(name)
        assert board.id == name
        assert all(board_of_dataset(item) == board for item in board.datasets)


def test_a_board_says_what_its_rules_fix() -> None:
    for name in challenge_names():
        board, challenge = load_board(name), load_challenge(name)
        assert board.supernodes == challenge.num_supernodes
        assert board.limit_mib == challenge.communication.limit_mib
        assert board.datasets[0] == challenge.dataset.name
        assert board.rows == {item.task: item.rows for item in challenge.evaluation}
        for fraction in (0.01, 0.1, 0.39, 1.0):
            assert board.clients_per_round(fraction) == challenge.clients_per_round(fraction)


def test_an_unknown_board_is_a_usage_error_that_names_a_close_one() -> None:
    name = board_names()[0]
    with pytest.raises(UsageError, match=f'did you mean "{name}"'):
        load_board(name[:-1])


def test_two_boards_of_one_id_are_refused(boards: Path) -> None:
    name = board_names()[0]
    shutil.copytree(boards / name, boards / f"{name}_2")
    with pytest.raises(RecordError, match=rf"{name}_2/board\.toml.*'{name}'.*id of {name} as"):
        find_boards(boards)


def test_a_folder_is_named_for_its_board(boards: Path) -> None:
    name = board_names()[0]
    (boards / name).rename(boards / "other")
    with pytest.raises(RecordError, match=rf"other/board\.toml: its id is '{name}'"):
        find_boards(boards)


def test_a_folder_without_board_toml_is_incomplete(boards: Path) -> None:
    name = challenge_names()[0]
    (boards / board_folder(name).name / "board.toml").unlink()
    with pytest.raises(RecordError, match=r"board\.toml: is missing"):
        find_boards(boards)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('metric = "', 'metrik = "', r"board\.toml: not a Board: metric"),
        ("rows = ", "rows = -", r"board\.toml: not a Board: sets\.0\.rows"),
        ("supernodes = ", 'supernodes = "', r"board\.toml: is no TOML"),
    ],
)
def test_wrong_board_data_is_refused_with_the_files_name(
    plain: Path, old: str, new: str, message: str
) -> None:
    edit(plain / "board.toml", old, new)
    with pytest.raises(RecordError, match=message):
        read_board(plain)


def test_what_the_rules_fix_cannot_be_said_twice(boards: Path) -> None:
    folder = boards / board_folder(challenge_names()[0]).name
    edit(folder / "board.toml", "metric", "supernodes = 1\nmetric")
    with pytest.raises(RecordError, match=r"board\.toml: states supernodes, which rules\.toml"):
        read_board(folder)


def test_the_sets_are_those_of_the_rules(boards: Path) -> None:
    folder = boards / board_folder(challenge_names()[0]).name
    first = load_challenge(challenge_names()[0]).evaluation[0].task
    edit(folder / "board.toml", f'task = "{first}"', 'task = "other"')
    with pytest.raises(RecordError, match=rf"its sets are other.*expected.*{first}"):
        read_board(folder)


def runnable(boards: Path) -> Path:
    """Return the folder of a board that can be run."""
    return boards / board_folder(challenge_names()[0]).name


@pytest.mark.parametrize("name", ["rows.json", "protocol.py"])
def test_a_board_with_rules_and_no_rows_or_module_is_incomplete(boards: Path, name: str) -> None:
    folder = runnable(boards)
    (folder / name).unlink()
    with pytest.raises(RecordError, match=rf"{folder.name}/{name}: is missing"):
        read_challenge(folder)


def test_rules_of_another_board_are_refused(boards: Path) -> None:
    folder = runnable(boards)
    edit(folder / "rules.toml", f'id = "{folder.name}"', 'id = "other"')
    with pytest.raises(RecordError, match=r"rules\.toml: its id is 'other'"):
        read_challenge(folder)


def test_a_board_without_rules_cannot_be_run_and_says_which_file_is_missing(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.boards.challenge.board_folder", lambda name: plain)
    with pytest.raises(UsageError, match=r"challenge plain cannot be run: .*rules\.toml is miss"):
        load_challenge("plain")


def change_rows(folder: Path, change: Callable[[dict[str, list[Any]]], Any]) -> None:
    file = folder / "rows.json"
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: next(iter(rows.values())).pop(), r"rows\.json: \d+ rows of .*says \d+"),
        (lambda rows: rows.popitem(), r"rows\.json: holds .*; expected the sets"),
        (lambda rows: rows.update(other=[]), r"rows\.json: holds .*other; expected the sets"),
        (
            lambda rows: next(iter(rows.values())).__setitem__(3, "0123"),
            r"rows\.json: row 3 of .* is '0123'; expected 20 hex digits",
        ),
    ],
)
def test_rows_that_do_not_fit_the_rules_are_refused(
    boards: Path, change: Callable[[dict[str, list[Any]]], Any], message: str
) -> None:
    folder = runnable(boards)
    challenge = load_challenge(challenge_names()[0])
    assert read_pinned_digests(folder, challenge)
    change_rows(folder, change)
    with pytest.raises(RecordError, match=message):
        read_pinned_digests(folder, challenge)


def test_a_leak_of_a_row_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = challenge_names()[0]
    item = load_challenge(name).evaluation[0]
    (tmp_path / "leaks.json").write_text(
        json.dumps({item.task: {"text": [item.rows], "exact": []}})
    )
    monkeypatch.setattr("harness.boards.leaks.board_folder", lambda board_id: tmp_path)
    with pytest.raises(RecordError, match=rf"leaks\.json: row {item.rows} of {item.task}"):
        pinned_leaks.__wrapped__(name)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1", r"protocol\.py: no function `protocol`"),
        ("def protocol(challenge): return object()", r"protocol\.py: its protocol lacks .*settled"),
    ],
)
def test_a_module_that_makes_no_protocol_is_refused(
    monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    module = ModuleType("made")
    exec(code, module.__dict__)
    monkeypatch.setattr("harness.boards.registry.import_module", lambda name: module)
    with pytest.raises(RecordError, match=message):
        protocol_of(load_challenge(challenge_names()[0]))


def test_exactly_one_board_is_the_default() -> None:
    assert [name for name in board_names() if load_board(name).default] == [default_board()]
