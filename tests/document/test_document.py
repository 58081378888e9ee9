"""Documents: one digest for one meaning, and nothing malformed gets in."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from harness.document import (
    Document,
    canonical_json,
    parse_document,
    parse_json,
    pretty_json,
    read_json,
    units,
    write_atomic,
    writing,
)
from harness.errors import RecordError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


class Point(Document):
    """A document for the tests."""

    x: int
    y: float = 0.0


@given(JSON)
def test_canonical_json_reads_back_as_what_it_was(value: object) -> None:
    assert parse_json(canonical_json(value), "here") == value


def test_key_order_does_not_change_the_canonical_text() -> None:
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "occurs twice"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "not a JSON number"),
        ("{", "not JSON"),
        ("[" * 100 + "]" * 100, "nested too deep"),
        ("[" * 200_000, "nested too deep"),
    ],
)
def test_what_strangers_may_write_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(RecordError, match=message) as caught:
        parse_json(text, "there.json")
    assert str(caught.value).startswith("there.json: ")
    assert "\n" not in str(caught.value)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "big.json"
    file.write_text("[" + "1," * 1000 + "1]")
    with pytest.raises(RecordError, match="at most 100 are read"):
        read_json(file, max_bytes=100)


def test_a_file_that_is_not_utf8_is_named_with_its_byte(tmp_path: Path) -> None:
    file = tmp_path / "latin.json"
    file.write_bytes(b'"caf\xe9"')
    with pytest.raises(RecordError, match="not UTF-8 at byte 4"):
        read_json(file)


def test_a_document_is_frozen_and_refuses_unknown_fields_and_nan() -> None:
    point = Point(x=1)
    with pytest.raises(ValueError, match="frozen"):
        point.x = 2  # type: ignore[misc]
    for value in ({"x": 1, "z": 2}, {"x": 1, "y": float("nan")}, {"y": 1.0}):
        with pytest.raises(RecordError, match=r"^here: not a Point: "):
            parse_document(Point, value, "here")


def test_with_values_validates_again() -> None:
    with pytest.raises(ValueError):
        Point(x=1).with_values(x="many")


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_who_may_read_what_is_written_is_as_the_umask_says(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "result.json", "{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "result.json").stat().st_mode) == mode


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "result.json"
    write_atomic(file, "old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(RecordError, match="No space left on device"):
        write_atomic(file, "new")
    assert file.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("quota"), "quota"),
    ],
)
def test_a_refused_write_names_the_reason_once(
    error: OSError, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(handle: int) -> None:
        raise error

    monkeypatch.setattr(writing.os, "fsync", fails)
    with pytest.raises(RecordError) as caught:
        write_atomic(tmp_path / "x", "new")
    found = f"{tmp_path / 'x'}: cannot be written ({reason}); free space or rights"
    assert str(caught.value) == found


def test_sizes_are_counted_in_powers_of_two() -> None:
    assert (units.MIB, units.GIB) == (1_048_576, 1_073_741_824)


def test_pretty_json_keeps_every_script_and_the_order_of_keys() -> None:
    assert pretty_json({"b": "é 漢", "a": [1]}) == '{\n  "b": "é 漢",\n  "a": [\n    1\n  ]\n}\n'
    with pytest.raises(ValueError):
        pretty_json({"x": float("nan")})


@pytest.mark.parametrize(("length", "shown"), [(60, 60), (61, 60)])
def test_60_characters_of_a_wrong_value_are_shown(length: int, shown: int) -> None:
    with pytest.raises(RecordError) as caught:
        parse_document(Point, {"x": "q" * length}, "here")
    assert f"(found '{'q' * shown}')" in str(caught.value)


@pytest.mark.parametrize(("count", "more"), [(3, ""), (4, "; and 1 more"), (5, "; and 2 more")])
def test_three_problems_are_named_and_the_others_counted(count: int, more: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_document(Point, {"x": 1} | {f"k{n}": n for n in range(count)}, "here")
    assert str(caught.value).count("no such field") == 3
    assert str(caught.value).endswith(f"(found '2'){more}")


class Names(Document):
    """A list and a text of a length."""

    names: tuple[str, ...] = Field(min_length=1, max_length=2)
    title: str = Field("a", min_length=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"names": []}, "names: expected at least 1 item (found '[]')"),
        ({"names": ["a", "b", "c"]}, "names: expected at most 2 items (found"),
        ({"names": ["a"], "title": ""}, "title: expected at least 1 character (found '')"),
    ],
)
def test_a_list_or_a_text_of_a_wrong_length_is_told_in_words(
    given: dict[str, object], said: str
) -> None:
    with pytest.raises(RecordError, match=re.escape(said)):
        parse_document(Names, given, "here")


class Span(Document):
    """Two fields that belong together."""

    low: int
    high: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"{self.low} lies above {self.high}")
        return self


class Spans(Document):
    """A list of them, which is not empty."""

    spans: Annotated[tuple[Span, ...], Field(min_length=1)]


def test_what_is_wrong_between_fields_is_said_once_and_without_all_that_was_found() -> None:
    with pytest.raises(RecordError) as caught:
        parse_document(Spans, {"spans": [{"low": 2, "high": 1}]}, "here")
    assert str(caught.value) == "here: not a Spans: spans.0: 2 lies above 1"
