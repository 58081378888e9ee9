"""What the small files of a submission must hold, and what is said of one that does not."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.verify.files.layout import RUN_FILES, SUBMISSION_FILES, kind_of
from harness.verify.files.png import fault_of_png


def parsed(name: str, value: Any) -> Any:
    found = kind_of(name, SUBMISSION_FILES)
    assert found is not None
    kind, _ = found
    assert kind.parse is not None
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return kind.parse(data, name)


def refusal(name: str, value: Any) -> str:
    with pytest.raises(HarnessError) as caught:
        parsed(name, value)
    return str(caught.value)


def test_rows_are_ones_and_zeros_by_task() -> None:
    assert parsed("rows.json", {"fpb": "0110", "x": ""}) == {"fpb": "0110", "x": ""}
    expected = '; expected task -> a text of "0" and "1"'
    for value in ([], None, "01", {"fpb": "012"}, {"fpb": 1}, {"fpb": ["0"]}):
        assert refusal("rows.json", value) == f"rows.json: {value!r}{expected}"


def test_a_manifest_lists_sizes_and_digests() -> None:
    files = {"a": {"bytes": 1, "sha256": "x"}, "b": {"bytes": 0, "sha256": ""}}
    assert parsed("manifest.json", {"files": files}) == {"a": (1, "x"), "b": (0, "")}
    form = 'manifest.json: not a manifest; expected {"files": {...}}'
    for value in ([], {}, {"files": []}, {"files": {}, "more": 1}, {"file": {}}):
        assert refusal("manifest.json", value) == form
    lacking = "manifest.json: 'a' has no bytes and sha256; write both"
    for item in (None, [], {"bytes": 1}, {"sha256": "x"}, {"bytes": 1, "sha256": "x", "y": 1}):
        assert refusal("manifest.json", {"files": {"a": item}}) == lacking
    typed = "manifest.json: 'a' has values of wrong types"
    for size, digest in (("1", "x"), (1.0, "x"), (True, "x"), (1, 2), (1, None)):
        item = {"bytes": size, "sha256": digest}
        assert refusal("manifest.json", {"files": {"a": item}}) == typed


def test_evidence_is_of_the_level_that_its_file_is_named_for() -> None:
    value = {
        "level": "re-run", "date": "x", "command": "x", "spec_digest": "x", "adapter_sha256": "x",
        "compared": {}, "packages": {}, "device": "x",
    }  # fmt: skip
    assert parsed("evidence/re-run.json", value).level == "re-run"
    told = "evidence/re-evaluated.json: of level re-run; expected the level it is named for"
    assert refusal("evidence/re-evaluated.json", value) == told


def test_a_configuration_that_is_no_object_is_none() -> None:
    assert parsed("adapter/adapter_config.json", {"r": 1}) == {"r": 1}
    assert parsed("adapter/adapter_config.json", [1]) is None


def test_text_is_utf8() -> None:
    assert parsed("README.md", "é".encode()) == "é"
    assert "not UTF-8 at byte 1" in refusal("README.md", b"a\xff")


@pytest.mark.parametrize(
    ("name", "field", "part"),
    [
        ("result.json", "raw", None), ("generations/fpb.jsonl", "generations", "fpb"),
        ("generations/multiple-js.jsonl", "generations", "multiple-js"),
        ("generations/fpb.loglikelihood.jsonl", "generations", "fpb.loglikelihood"),
        ("evidence/re-run.json", "evidence", "re-run"), ("loss.png", "loss_plot_fault", None),
        ("adapter/adapter_model.safetensors", "adapter_weights", None),
    ],
)  # fmt: skip
def test_a_file_s_name_says_what_it_is(name: str, field: str, part: str | None) -> None:
    found = kind_of(name, SUBMISSION_FILES)
    assert found is not None
    assert (found[0].field, found[1]) == (field, part)


@pytest.mark.parametrize(
    "name",
    [
        "results.json",
        "result.json.bak",
        "xresult.json",
        "resultxjson",
        "generations/Fpb.jsonl",
        "generations/.jsonl",
        "generations/a/b.jsonl",
        "generations/fpb.other.jsonl",
        "evidence/Re-run.json",
        "evidence/.json",
        "adapter/adapter_model.bin",
        "README.txt",
    ],
)
def test_other_files_are_none(name: str) -> None:
    assert kind_of(name, SUBMISSION_FILES) is None


def test_of_a_run_directory_neither_card_nor_plot_is_read_and_generations_hold_prompts() -> None:
    assert kind_of("README.md", RUN_FILES) is kind_of("loss.png", RUN_FILES) is None
    found = kind_of("generations/fpb.jsonl", RUN_FILES)
    assert found is not None
    line = {"context": "p", "new_target": "neutral", "new_out": "neutral", "output": "neutral"}
    assert found[0].parse is not None
    read = found[0].parse(json.dumps(line).encode() + b"\n", "generations/fpb.jsonl")
    assert (read.targets, read.labels, read.outputs) == (("neutral",), ("neutral",), ("neutral",))
    assert len(read.rows[0]) == 20
    name = "generations/fpb.loglikelihood.jsonl"
    numbers = json.dumps(line | {"loglikelihoods": [-1.5, -0.5]}).encode()
    second = found[0].parse(numbers, name)
    assert (second.outputs, second.loglikelihoods) == ((None,), ((-1.5, -0.5),))
    other = line | {"context": "one\x85two\u2028three", "loglikelihoods": [-1.5, -0.5]}
    two = numbers + b"\n" + json.dumps(other, ensure_ascii=False).encode() + b"\n"
    assert found[0].parse(two, name).loglikelihoods == ((-1.5, -0.5),) * 2
    for wrong in (line, line | {"loglikelihoods": [1]}, line | {"loglikelihoods": "x"}):
        with pytest.raises(HarnessError, match="line 1: no loglikelihoods; expected numbers"):
            found[0].parse(json.dumps(wrong).encode(), name)


# PNG.

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int = 3, height: int = 2) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


PICTURE, END = chunk(b"IDAT", zlib.compress(bytes(2 * 4))), chunk(b"IEND")
DOTS = bytes.fromhex("000012740000127401")
CUT = "that is cut or has a wrong checksum"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (SIGNATURE + header() + PICTURE + END, None),
        (SIGNATURE + header() + chunk(b"pHYs", DOTS) + PICTURE + chunk(b"IDAT", b"") + END, None),
        *(
            (
                SIGNATURE + header() + chunk(kind, b"x") + PICTURE + END,
                f"a chunk {kind!r} of 1 bytes, which is no part of the picture",
            )
            for kind in (b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"pHYs", b"iCCP")
        ),
        (b"<html>  and so on", "a file that begins with b'<html>  '"),
        (b"", "a file that begins with b''"),
        (SIGNATURE, "no picture, or no end of it"),
        (SIGNATURE + header() + PICTURE, "no picture, or no end of it"),
        (SIGNATURE + header() + END, "no picture, or no end of it"),
        (SIGNATURE + PICTURE + END, "no header of width and height"),
        (SIGNATURE + chunk(b"IHDR", b"x" * 12) + PICTURE + END, "no header of width and height"),
        (SIGNATURE + chunk(b"IHDR", b"x" * 14) + PICTURE + END, "no header of width and height"),
        (SIGNATURE + header(5000, 2) + PICTURE + END, "5000 x 2 pixels"),
        (SIGNATURE + header(2, 5000) + PICTURE + END, "2 x 5000 pixels"),
        (SIGNATURE + header() + PICTURE + END + b"more", "4 bytes after its end"),
        (SIGNATURE + header() + PICTURE[:-1] + b"x" + END, f"a chunk at byte 33 {CUT}"),
        (SIGNATURE + header()[:-2], f"a chunk at byte 8 {CUT}"),
        (SIGNATURE + header() + b"\x00", f"a chunk at byte 33 {CUT}"),
        (
            SIGNATURE + header() + PICTURE + END[:-4] + b"xxxx",
            f"a chunk at byte {33 + len(PICTURE)} {CUT}",
        ),
        (SIGNATURE + header() + struct.pack(">I", 2**31) + b"IDATx", f"a chunk at byte 33 {CUT}"),
    ],
)
def test_a_png_is_whole_and_nothing_else(data: bytes, fault: str | None) -> None:
    assert fault_of_png(data) == fault


def test_a_ledger_of_millions_of_lines_is_refused_at_once() -> None:
    found = kind_of("rounds.jsonl", RUN_FILES)
    assert found is not None
    kind, _ = found
    assert kind.parse is not None
    assert kind.parse(b'{"round": 1}\n{"round": 2}\n', "rounds.jsonl") == [
        {"round": 1}, {"round": 2},
    ]  # fmt: skip
    assert kind.parse(b"", "rounds.jsonl") == []
    with pytest.raises(HarnessError, match="more than 500000 values"):
        kind.parse(b"1\n" * 2_000_000, "rounds.jsonl")
