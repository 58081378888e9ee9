"""The bounded reader: what strangers may not write, and what a hostile text costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.document.harmless import MAX_FLOAT, MAX_INTEGER, MAX_STRING
from harness.document.reading import (
    MAX_KEYS,
    MAX_NESTING,
    MAX_VALUES,
    OWN,
    STRANGER,
    parse_json,
    read_json,
    refuse_too_many_values,
)
from harness.errors import RecordError

CHARACTERS = [
    *"\u0000\u0007\u001b\u0085",  # controls
    *"\u200b\u200e\u202a\u202e\u2066\ufeff",  # invisible, and marks that re-order text
    *"\u2028\u2029",  # line and paragraph separators
    "\ue000",  # private use
]


@pytest.mark.parametrize("char", CHARACTERS, ids=[f"U+{ord(char):04X}" for char in CHARACTERS])
def test_a_stranger_s_text_has_no_character_that_is_not_seen(char: str) -> None:
    for text in (f'{{"name": "a{char}b"}}', f'{{"a{char}b": 1}}'):
        escaped = text.replace(char, f"\\u{ord(char):04x}")
        with pytest.raises(RecordError, match=rf"record: character U\+{ord(char):04X} at position"):
            parse_json(escaped, "record", STRANGER)
        assert parse_json(escaped, "record", OWN)


def test_a_lone_surrogate_of_a_stranger_is_refused() -> None:
    with pytest.raises(RecordError, match=r"U\+D800"):
        parse_json('"\\ud800"', "record", STRANGER)


def test_text_in_any_script_is_welcome() -> None:
    text = '"Größe, 数据, עברית, 👩\u200d🔬, a line\\nand a\\ttab"'
    assert parse_json(text, "record", STRANGER) == parse_json(text, "record", OWN)


def object_of(keys: int) -> str:
    return "{" + ",".join(f'"k{n}":1' for n in range(keys)) + "}"


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (str(MAX_INTEGER), str(MAX_INTEGER + 1)),
        (str(-MAX_INTEGER), str(-MAX_INTEGER - 1)),
        (repr(MAX_FLOAT), "1.0000001e18"),
        (f'"{"x" * MAX_STRING}"', f'"{"x" * (MAX_STRING + 1)}"'),
        ("[" * MAX_NESTING + "]" * MAX_NESTING, "[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1)),
        (object_of(MAX_KEYS), object_of(MAX_KEYS + 1)),
        (f"[{'0,' * (MAX_VALUES - 1)}0]", f"[{'0,' * MAX_VALUES}0]"),
    ],
    ids=["integer", "negative", "float", "string", "nesting", "keys", "values"],
)
def test_each_bound_lets_its_last_value_through_and_not_the_next(inside: str, outside: str) -> None:
    parse_json(inside, "record", STRANGER)
    with pytest.raises(RecordError, match=r"^record: "):
        parse_json(outside, "record", STRANGER)


def test_commas_inside_strings_are_no_values() -> None:
    text = f'["{"," * MAX_VALUES}", "a\\"{"[" * 10}", 1]'
    assert len(parse_json(text, "here")) == 3


@pytest.mark.parametrize("policy", [OWN, STRANGER], ids=["own", "stranger"])
def test_only_our_own_files_may_be_links(policy: object, tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("real.json")
    if policy is OWN:
        assert read_json(tmp_path / "link.json") == {}
    else:
        with pytest.raises(RecordError, match=r"^link\.json: cannot be read"):
            read_json(tmp_path / "link.json", policy=STRANGER)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "result.json")
    for policy in (OWN, STRANGER):
        with pytest.raises(RecordError, match="not a regular file"):
            read_json(tmp_path / "result.json", policy=policy)


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(b"\xef\xbb\xbf{}")
    with pytest.raises(RecordError, match="byte order mark"):
        read_json(tmp_path / "result.json")


HOSTILE = {
    "1.2 million keys, the last twice": (
        "{" + ",".join(f'"k{n}":1' for n in range(1_200_000)) + ',"k1199999":1}'
    ),
    "as many keys as allowed, the last twice": (
        object_of(MAX_KEYS - 1)[:-1] + f',"k{MAX_KEYS - 2}":1}}'
    ),
    "one list of 7 million numbers": "[" + "1," * 7_000_000 + "1]",
    "empty lists": "[" + "[]," * 5_000_000 + "1]",
    "commas in a string that never ends": '["' + "," * 14_000_000,
    "quotes": '"' * 14_000_000,
    "backslashes after many commas": "[" + "," * 600_000 + '"' + "\\" * 14_000_001,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_counting_values_is_linear(text: str) -> None:
    begin = time.process_time()
    with pytest.raises(RecordError, match=r"^there: "):
        parse_json(text, "there", STRANGER)
    assert time.process_time() - begin < 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's VmHWM")
def test_a_huge_object_costs_less_than_200_mb(tmp_path: Path) -> None:
    """The first of `HOSTILE` as a file of 17 MB, read in a process of its own."""
    (tmp_path / "result.json").write_text(HOSTILE["1.2 million keys, the last twice"])
    code = (
        "import sys; from pathlib import Path; from harness.document.reading import *\n"
        "try: read_json(Path(sys.argv[1]), policy=STRANGER)\n"
        "except Exception as error: print(error, file=sys.stderr)\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "result.json")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "more than 500000 values" in done.stderr
    peak_kib = int(done.stdout)
    assert 1024 * peak_kib < 200e6


def test_few_values_are_not_counted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.document.reading.NEXT_VALUE", None)
    refuse_too_many_values('{"a": [1, 2]}', "here")
