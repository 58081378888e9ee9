"""A generations file whose rows are not the official ones is refused, and the row is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.boards import rows as module
from harness.boards.challenge import Challenge, load_challenge
from harness.boards.rows import Row, check_rows, fingerprint, pinned_digests, row_digest
from harness.errors import EvaluationError

LABELS = ("negative", "neutral", "positive")


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> tuple[Challenge, list[Row]]:
    """Pin twelve rows of our own as fpb, and twelve others as fiqa."""
    challenge = load_challenge("finance")
    sets = {
        task: [Row(f"{task} {i}", LABELS[i % 3]) for i in range(12)] for task in ("fpb", "fiqa")
    }
    pins = {task: tuple(map(row_digest, rows)) for task, rows in sets.items()}
    monkeypatch.setattr(module, "pinned_digests", lambda challenge_id: pins)
    evaluation = tuple(
        item.with_values(fingerprint=fingerprint(sets.get(item.task, [])))
        for item in challenge.evaluation
    )
    return challenge.model_copy(update={"evaluation": evaluation}), sets["fpb"]


def swap(rows: list[Row]) -> list[Row]:
    rows[3], rows[7] = rows[7], rows[3]
    return rows


EDITS: dict[str, tuple[Callable[[list[Row]], list[Row]], str]] = {
    "missing": (lambda rows: rows[:5] + rows[6:], "row 5: missing"),
    "missing at the end": (lambda rows: rows[:-1], "row 11: missing"),
    "extra": (
        lambda rows: [*rows[:4], Row("something else", "neutral"), *rows[4:]],
        "row 4: extra",
    ),
    "extra at the end": (lambda rows: [*rows, rows[0]], "row 12: extra"),
    "extra, and another edit further on": (
        lambda rows: [
            *rows[:4],
            Row("else", "neutral"),
            *rows[4:9],
            Row("x", "neutral"),
            *rows[10:],
        ],
        "row 4: extra, the official rows go on after it",
    ),
    "missing, and another edit further on": (
        lambda rows: [*rows[:4], *rows[5:9], Row("x", "neutral"), *rows[10:]],
        "row 4: missing, the file goes on with the row after it",
    ),
    "three rows of others": (
        lambda rows: [*rows[:4], *(Row(f"x{n}", "neutral") for n in range(3)), *rows[7:]],
        "row 4: its prompt differs from the official one",
    ),
    "repeated": (lambda rows: [*rows[:3], rows[2], *rows[3:]], "row 3: extra"),
    "moved": (swap, "row 3: moved, its prompt belongs to row 7"),
    "edited prompt": (
        lambda rows: [*rows[:2], Row(rows[2].context + " ", rows[2].target), *rows[3:]],
        "row 2: its prompt differs",
    ),
    "edited label": (
        lambda rows: [*rows[:6], Row(rows[6].context, "positive"), *rows[7:]],
        "row 6: its target differs",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_wrong_row_is_named(official: tuple[Challenge, list[Row]], name: str) -> None:
    challenge, rows = official
    edit, expected = EDITS[name]
    with pytest.raises(EvaluationError, match=expected):
        check_rows(challenge, "fpb", edit(list(rows)), "file")


def test_the_official_rows_pass(official: tuple[Challenge, list[Row]]) -> None:
    challenge, rows = official
    check_rows(challenge, "fpb", rows, "file")


def test_rows_of_another_task_are_called_by_its_name(
    official: tuple[Challenge, list[Row]],
) -> None:
    challenge, rows = official
    with pytest.raises(EvaluationError, match="holds rows of fpb"):
        check_rows(challenge, "fiqa", rows, "file")


def test_the_fingerprint_guards_what_a_short_digest_could_miss(
    official: tuple[Challenge, list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge, rows = official
    altered = [Row(rows[0].context + "!", rows[0].target), *rows[1:]]
    monkeypatch.setattr(module, "row_digest", lambda row: "0" * 20)
    monkeypatch.setattr(
        module, "pinned_digests", lambda challenge_id: {"fpb": ("0" * 20,) * len(rows)}
    )
    with pytest.raises(EvaluationError):
        check_rows(challenge, "fpb", altered, "file")


def test_every_official_row_is_pinned() -> None:
    challenge = load_challenge("finance")
    pins = pinned_digests("finance")
    assert {item.task: item.rows for item in challenge.evaluation} == {
        task: len(rows) for task, rows in pins.items()
    }
    assert all(len(digest) == 20 for rows in pins.values() for digest in rows)
