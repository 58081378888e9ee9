"""A board's document: what it fixes has least values, and what it derives follows from its sets."""

from __future__ import annotations

import pytest

from harness.boards.board import Board, board_names, board_of_dataset, default_board, load_board

BOARD = load_board("finance")


@pytest.mark.parametrize(
    ("field", "least"), [("supernodes", 1), ("min_clients", 1), ("limit_mib", 1)]
)
def test_a_number_of_a_board_has_a_least_value(field: str, least: int) -> None:
    assert getattr(BOARD.with_values(**{field: least}), field) == least
    with pytest.raises(ValueError, match="greater than"):
        BOARD.with_values(**{field: least - 1})


def test_a_board_has_a_data_set_and_an_evaluation_set() -> None:
    for field in ("datasets", "sets"):
        with pytest.raises(ValueError, match="at least 1 item"):
            BOARD.with_values(**{field: ()})


def test_tables_follow_from_the_sets_in_their_order() -> None:
    assert BOARD.rows == {"fpb": 1212, "fiqa": 304, "tfns": 2388}
    assert list(BOARD.spellings) == list(BOARD.headings) == list(BOARD.rows)
    assert all(isinstance(BOARD.headings[task], str) for task in BOARD.rows)


@pytest.mark.parametrize(("fraction", "clients"), [(0.1, 5), (0.119, 5), (0.001, 2), (1.0, 50)])
def test_a_board_samples_as_its_challenge_does(fraction: float, clients: int) -> None:
    assert BOARD.clients_per_round(fraction) == clients


def test_a_data_set_belongs_to_the_board_that_names_it_now_or_did_before() -> None:
    for name in board_names():
        board = load_board(name)
        assert all(board_of_dataset(item) is board for item in board.datasets)
    assert board_of_dataset("no/such") is None


def test_one_board_is_the_default() -> None:
    assert load_board(default_board()).default
    assert isinstance(BOARD, Board)
    assert sum(load_board(name).default for name in board_names()) == 1
