"""A file of rows that were read before says the same as one that is read for the first time."""

from __future__ import annotations

import json
import random

import pytest

from harness.errors import RecordError
from harness.verify.files import plain_generations
from harness.verify.files.generations import Generations, generation_lines, parse_generations

NAME = "generations/fpb.jsonl"
SECOND = "generations/fpb.loglikelihood.jsonl"
ROWS = [(f"{index:020x}", "neutral", "positive", f" answer {index % 3}") for index in range(40)]


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    plain_generations.LAST_ASKED.clear()


def read(text: str, name: str) -> Generations | str:
    try:
        return parse_generations(text.encode(), name)
    except RecordError as error:
        return str(error)


def numbers(index: int) -> list[float]:
    return [-0.5 - index, -1.25, -3.5e-07]


@pytest.mark.parametrize("name", [NAME, SECOND])
def test_whatever_is_done_to_a_file_the_rows_of_the_last_one_change_nothing(name: str) -> None:
    second = name == SECOND
    rows = [(*row[:3], numbers(i)) for i, row in enumerate(ROWS)] if second else ROWS
    clean = generation_lines(rows, second=second)
    chance = random.Random(3)
    pieces = ['"', "\\", "\\n", "é", "\x01", "}\n", "null", "1.0", '", "output": "', "", "\u2028"]
    for _ in range(400):
        at = chance.randrange(len(clean))
        damaged = clean[:at] + chance.choice(pieces) + clean[at + chance.choice([0, 1, 9]) :]
        plain_generations.LAST_ASKED.clear()
        first = read(damaged, name)
        plain_generations.LAST_ASKED.clear()
        assert read(clean, name) == read(clean, name)
        assert read(damaged, name) == first


def test_files_of_other_rows_are_read_as_what_they_are() -> None:
    read(generation_lines(ROWS), NAME)
    for rows in (ROWS[:-1], [*ROWS, ROWS[0]], [("f" * 20, *ROWS[0][1:]), *ROWS[1:]]):
        found = read(generation_lines(rows), NAME)
        assert isinstance(found, Generations)
        assert found.rows == tuple(row[0] for row in rows)


@pytest.mark.parametrize("name", [NAME, SECOND])
def test_a_line_that_lacks_its_row_is_no_line(name: str) -> None:
    rows = [(*row[:3], numbers(i)) for i, row in enumerate(ROWS)] if name == SECOND else ROWS
    clean = generation_lines(rows, second=name == SECOND)
    assert isinstance(read(clean, name), Generations)
    lines = clean.split("\n")
    lines[7] = lines[7].partition('"label": ')[2]
    assert "line 8: not JSON" in str(read("\n".join(lines), name))


def test_only_a_few_names_and_rows_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(plain_generations.MAX_ASKED + 5):
        read(generation_lines(ROWS), f"generations/set-{index}.jsonl")
    assert len(plain_generations.LAST_ASKED) == plain_generations.MAX_ASKED
    monkeypatch.setattr(plain_generations, "MAX_ASKED_ROWS", len(ROWS))
    read(generation_lines(ROWS), NAME)
    assert NAME in plain_generations.LAST_ASKED
    plain_generations.LAST_ASKED.clear()
    monkeypatch.setattr(plain_generations, "MAX_ASKED_ROWS", len(ROWS) - 1)
    read(generation_lines(ROWS), NAME)
    assert NAME not in plain_generations.LAST_ASKED


def test_an_answer_in_words_that_need_escapes_is_read_again_as_json() -> None:
    rows = [(*row[:3], 'said "so"\n') for row in ROWS]
    for _ in range(2):
        found = read(generation_lines(rows), NAME)
        assert isinstance(found, Generations)
        assert set(found.outputs) == {'said "so"\n'}
    spelled = generation_lines(rows).replace('\\"so', "\\u0022so")
    assert json.loads(spelled.split("\n")[0])["output"] == rows[0][3]
    assert "not in the canonical form" in str(read(spelled, NAME))


@pytest.mark.parametrize(("outputs", "numbered"), [(1, True), (28, True), (29, False)])
def test_rows_that_are_counted_by_number_are_those_that_are_counted_one_by_one(
    outputs: int, numbered: bool
) -> None:
    """Three right answers, three labels and 28 outputs are 252 kinds, which a byte can number."""
    labels = ("negative", "neutral", "positive")
    rows = [
        (f"{index:020x}", labels[index % 3], labels[index // outputs % 3], f" {index % outputs}")
        for index in range(400)
    ]
    read(generation_lines(ROWS), NAME)
    first, again = (read(generation_lines(rows), NAME) for _ in range(2))
    assert isinstance(first, Generations)
    assert isinstance(again, Generations)
    assert first.kinds is None
    assert (again.kinds is not None) is numbered
    assert (again.bits, again.counts, again.pairs) == (first.bits, first.counts, first.pairs)
    assert again.bits == "".join("1" if row[1] == row[2] else "0" for row in rows)
    assert again.answers == {row[2] for row in rows}
