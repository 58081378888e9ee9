"""A board is a folder: complete and of one mind, or refused with the file's name."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import pytest

from harness.boards.board import (
    board_folder,
    board_names,
    board_of_dataset,
    find_boards,
    load_board,
    read_board,
)
from harness.boards.challenge import challenge_names, load_challenge
from harness.errors import RecordError, UsageError


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    """A copy of all boards' folders."""
    with resources.as_file(resources.files("harness.boards")) as folder:
        return Path(shutil.copytree(folder, tmp_path / "boards"))


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
    shutil.copytree(boards / "code", boards / "code_2")
    with pytest.raises(RecordError, match=r"code_2/board\.toml.*'code'.*id of code as well"):
        find_boards(boards)


def test_a_folder_is_named_for_its_board(boards: Path) -> None:
    (boards / "code").rename(boards / "programs")
    with pytest.raises(RecordError, match=r"programs/board\.toml: its id is 'code'"):
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
    boards: Path, old: str, new: str, message: str
) -> None:
    edit(boards / "code" / "board.toml", old, new)
    with pytest.raises(RecordError, match=message):
        read_board(find_boards(boards)["code"] if "TOML" not in message else boards / "code")


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
