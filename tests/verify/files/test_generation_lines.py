"""A generations file is read as `generation_lines` writes it and in no other form."""

from __future__ import annotations

import json

import pytest

from harness.errors import RecordError
from harness.verify.files.generations import generation_lines, parse_generations

ROW = ("0123456789ab01234567", "neutral", "positive", " positive – café\n\U0001f642")
NAME = "generations/fpb.jsonl"
SECOND = "generations/fpb.loglikelihood.jsonl"


def line(**changes: object) -> dict[str, object]:
    value: dict[str, object] = json.loads(generation_lines([ROW]))
    return value | changes


def text(*values: object) -> bytes:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()


def test_what_is_written_is_read_column_by_column() -> None:
    rows = [ROW, ("f" * 20, "positive", "positive", None), ("e" * 20, "neutral", "neutral", "")]
    found = parse_generations(generation_lines(rows).encode(), NAME)
    assert list(zip(found.rows, found.targets, found.labels, found.outputs, strict=True)) == rows
    assert found.loglikelihoods is None
    assert found.bits == "011"


def test_a_second_measure_has_numbers_for_texts() -> None:
    rows = [("a" * 20, "neutral", "neutral", [-0.5, 0.0]), ("b" * 20, "x", "y", [-1.5, -2.25])]
    found = parse_generations(generation_lines(rows, second=True).encode(), SECOND)
    assert found.outputs == (None, None)
    assert found.loglikelihoods == ((-0.5, 0.0), (-1.5, -2.25))
    assert found.bits == "10"


GOOD = generation_lines([ROW])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected one line a row, each ended by a newline"),
        (GOOD.encode()[:-1], "expected one line a row, each ended by a newline"),
        (b"\n", "line 1: not JSON; expected one object a line"),
        (GOOD.encode() + b"{\n", "line 2: not JSON; expected one object a line"),
        (GOOD.encode() + b"[" * 100_000 + b"\n", "line 2: not JSON; expected one object a line"),
        (GOOD.replace(": ", ":").encode(), "line 1: not in the canonical form; write it as"),
        (GOOD.replace("é", "\\u00e9").encode(), "line 1: not in the canonical form; write it as"),
        (GOOD.replace("{", '{"index": 0, ', 1).encode(), "line 1: not in the canonical form"),
        (b'"a", "b"\n', "line 1: not JSON; expected one object a line"),
        (text([]), "line 1: expected an object of index, row, target, label, output, in this ord"),
        (text({"row": 1}), "line 1: expected an object of index, row, target, label, output, in"),
        (text(line(more=1)), "line 1: expected an object of index, row, target, label, output"),
        (text(dict(reversed(line().items()))), "line 1: expected an object of index, row, target"),
        (text(line(), line()), "line 2: index 0; expected 1"),
        (text(line(index=1)), "line 1: index 1; expected 0"),
        (text(line(index=False)), "line 1: index False; expected 0"),
        (text(line(index=0.0)), "line 1: index 0.0; expected 0"),
        (text(line(index="x" * 90)), f"line 1: index '{'x' * 39}; expected 0"),
        (text(line(row=1)), "line 1: row, target and label must be short strings"),
        (text(line(target=None)), "line 1: row, target and label must be short strings"),
        (text(line(label=["neutral"])), "line 1: row, target and label must be short strings"),
        (text(line(label="x" * 81)), "line 1: row, target and label must be short strings"),
        (text(line(output=1)), "line 1: output must be null or at most 20,000 characters"),
        (text(line(output="x" * 20_001)), "line 1: output must be null or at most 20,000"),
    ],
)
def test_another_form_is_named_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_generations(data, NAME)
    assert str(caught.value).startswith(
        f"{NAME}{':' if message.startswith('exp') else ''} {message}"
    )


def second_text(numbers: object) -> bytes:
    value = {"index": 0, "row": "a" * 20, "target": "x", "label": "x", "loglikelihoods": numbers}
    return text(value)


@pytest.mark.parametrize(
    "numbers", [[], [-1.0] * 11, [0.5], [-1], [True], [None], "x", None, [-1e6], [-2e6]]
)
def test_log_likelihoods_are_up_to_ten_numbers_up_to_zero(numbers: object) -> None:
    with pytest.raises(RecordError, match="line 1: loglikelihoods must be a list of numbers up to"):
        parse_generations(second_text(numbers), SECOND)


@pytest.mark.parametrize("numbers", [[0.0], [-0.0], [-999_999.5], [-1.0] * 10])
def test_log_likelihoods_at_their_limits_are_read(numbers: list[float]) -> None:
    assert parse_generations(second_text(numbers), SECOND).loglikelihoods == (tuple(numbers),)


@pytest.mark.parametrize("part", ["row", "target", "label"])
def test_names_of_80_characters_are_read(part: str) -> None:
    found = parse_generations(text(line(**{part: "x" * 80})), NAME)
    assert "x" * 80 in (*found.rows, *found.targets, *found.labels)


def test_a_file_of_the_first_measure_holds_no_numbers() -> None:
    with pytest.raises(RecordError, match="expected an object of index, row, target, label, log"):
        parse_generations(GOOD.encode(), SECOND)
    with pytest.raises(RecordError, match="expected an object of index, row, target, label, out"):
        parse_generations(second_text([-1.0]), NAME)
