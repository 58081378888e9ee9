"""TOML is read within bounds, and what is written reads back as it was."""

from __future__ import annotations

import time
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.document.toml_text import parse_toml, write_toml
from harness.errors import RecordError

KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
SCALARS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_written_reads_back(tree: dict[str, object]) -> None:
    assert tomllib.loads(write_toml(tree)) == tree


def test_comments_stand_above_values_tables_and_what_is_not_there() -> None:
    tree = {"a": 1, "b": {"c": 2}}
    text = write_toml(tree, {"a": "one", "b": "two\n[x]", "b.c": "three", "b.d": "absent"})
    assert text == "# one\na = 1\n\n# two [x]\n[b]\n# three\nc = 2\n# absent\n"


def test_none_is_left_out() -> None:
    assert write_toml({"a": None, "b": 1}) == "b = 1\n"


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 40_000 + " = 1", "x = " + "9" * 5000, "[" * 80_000, '"' * 80_000,
        "x = {" + "a." * 40_000 + "b = 1}", "'" * 80_001, "a" * 80_000, "\\" * 80_000,
    ],
)  # fmt: skip
def test_hostile_toml_is_refused_in_time_linear_in_its_length(text: str) -> None:
    start = time.process_time()
    with pytest.raises(RecordError, match="f: "):
        parse_toml(text, "f")
    assert time.process_time() - start < 1
