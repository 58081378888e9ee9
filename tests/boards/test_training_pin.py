"""A training file is the pinned one, or each pin that it misses is named."""

from __future__ import annotations

import hashlib
import json

from harness.boards.challenge import load_challenge
from harness.boards.training_pin import anchor_digest, training_faults

SET = load_challenge("finance").dataset
ROWS = {
    "input": ["a", "b", "c é"],
    "output": ["neutral", "positive", "neutral"],
    "instruction": ["ask", SET.pin.anchor_excludes, "ask"],
}
LINES = "".join(
    json.dumps([index, *(ROWS[name][index] for name in SET.columns)], ensure_ascii=False,
               separators=(",", ":")) + "\n"
    for index in (0, 2)
)  # fmt: skip


def pinned(**changes: object):
    pin = SET.pin.with_values(
        rows=3, labels={"neutral": 2, "positive": 1},
        anchor_sha256=hashlib.sha256(LINES.encode()).hexdigest(),
    )  # fmt: skip
    return SET.with_values(pin=pin.with_values(**changes))


def test_the_pinned_rows_have_no_fault() -> None:
    assert anchor_digest(pinned(), ROWS) == pinned().pin.anchor_sha256
    assert training_faults(pinned(), ROWS) == []


def test_each_pin_that_is_missed_is_named() -> None:
    assert training_faults(pinned(rows=300), ROWS) == ["3 rows, the challenge pins 300"]
    assert training_faults(pinned(rows=2), ROWS) == ["3 rows, the challenge pins 2"]
    assert training_faults(pinned(labels={"neutral": 3}), ROWS) == [
        "another histogram of labels than the challenge pins"
    ]
    order = "other rows, or another order of rows, than the challenge pins"
    swapped = {name: [texts[2], texts[1], texts[0]] for name, texts in ROWS.items()}
    assert training_faults(pinned(), swapped) == [order]
    edited = ROWS | {"input": ["a", "b", "d"]}
    assert training_faults(pinned(), edited) == [order]


def test_rows_that_the_anchor_leaves_out_count_in_the_others_places() -> None:
    edited = ROWS | {"input": ["a", "another", "c é"]}
    assert training_faults(pinned(), edited) == []
    gone = {name: [texts[0], texts[2]] for name, texts in ROWS.items()}
    assert len(training_faults(pinned(), gone)) == 3


def test_half_a_surrogate_pair_is_text_as_well() -> None:
    rows = ROWS | {"input": ["a\ud800", "b", "c"]}
    assert len(anchor_digest(pinned(), rows)) == 64
