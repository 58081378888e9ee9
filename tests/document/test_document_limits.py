"""What is read of a document ends at its limits, and not before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.document import Document, parse_document, parse_json, read_json
from harness.document.reading import STRANGER
from harness.document.safetensors_header import read_header
from harness.document.units import MIB
from harness.errors import RecordError


@pytest.mark.parametrize(
    ("deepest", "beyond"),
    [
        ("[" * 64 + "]" * 64, "[" * 65 + "]" * 65),
        ("[" * 63 + "1" + "]" * 63, "[" * 64 + "1" + "]" * 64),
        ('{"a":' * 63 + "{}" + "}" * 63, '{"a":' * 64 + "{}" + "}" * 64),
    ],
)
def test_64_levels_are_read_and_65_refused(deepest: str, beyond: str) -> None:
    assert parse_json(deepest, "here") == json.loads(deepest)
    with pytest.raises(RecordError, match="here: nested too deep; at most 64 levels"):
        parse_json(beyond, "here")


def test_a_document_of_64_mib_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_bytes(b"[1]".ljust(64 * MIB))
    assert read_json(path) == [1]
    path.write_bytes(b"[1]".ljust(64 * MIB + 1))
    with pytest.raises(RecordError, match="67108865 bytes; at most 67108864 are read"):
        read_json(path)


def test_a_header_of_32_mib_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    header = b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    for length, fits in ((32 * MIB, True), (32 * MIB + 1, False)):
        path.write_bytes(length.to_bytes(8, "little") + header.ljust(length) + b"xy")
        if fits:
            assert read_header(path).shapes == {"a": (2,)}
        else:
            with pytest.raises(RecordError, match="header of 33554433 bytes"):
                read_header(path)


@pytest.mark.parametrize(("cut", "fits"), [(0, True), (1, False)])
def test_a_header_ends_inside_its_file(cut: int, fits: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    data = (2).to_bytes(8, "little") + b"{}"
    path.write_bytes(data[: len(data) - cut])
    if fits:
        assert read_header(path).shapes == {}
    else:
        with pytest.raises(RecordError, match="not a safetensors file"):
            read_header(path)


BITS = {
    4: "F4", 6: "F6_E2M3 F6_E3M2",
    8: "BOOL U8 I8 F8_E4M3 F8_E5M2 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ",
    16: "I16 U16 F16 BF16", 32: "I32 U32 F32", 64: "I64 U64 F64 C64",
}  # fmt: skip
"""Bits of a number -> the types that have so many."""


@pytest.mark.parametrize("bits", BITS)
def test_a_number_of_each_kind_has_its_size(bits: int, tmp_path: Path) -> None:
    """Of 40 numbers 4 bits are 20 bytes."""
    path = tmp_path / "model.safetensors"
    for kind in BITS[bits].split():
        for length in (5 * bits, 5 * bits + 1):
            item = {"dtype": kind, "shape": [40], "data_offsets": [0, length]}
            header = json.dumps({"a": item}).encode()
            path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(length))
            if length == 5 * bits:
                assert read_header(path).tensors["a"].dtype == kind
            else:
                with pytest.raises(RecordError, match="offsets that do not fit its shape"):
                    read_header(path)


def test_half_a_million_values_are_parsed_and_one_more_is_not() -> None:
    assert len(parse_json("[" + "0," * 499_999 + "0]", "here")) == 500_000
    with pytest.raises(RecordError, match="here: more than 500000 values"):
        parse_json("[" + "0," * 500_000 + "0]", "here")


@pytest.mark.parametrize(("keys", "fits"), [(100_000, True), (100_001, False)])
def test_an_object_has_100_000_keys_and_no_more(keys: int, fits: bool) -> None:
    text = "{" + ",".join(f'"k{n}":1' for n in range(keys)) + "}"
    if fits:
        assert len(parse_json(text, "here", STRANGER)) == keys
    else:
        with pytest.raises(RecordError, match="here: "):
            parse_json(text, "here", STRANGER)


def test_of_a_thousand_problems_three_are_named_of_more_their_number() -> None:
    class Empty(Document):
        """A document without fields."""

    for count, words in ((1000, "; and 997 more"), (1001, "1001 fields are missing, unknown")):
        with pytest.raises(RecordError, match=words):
            parse_document(Empty, {f"k{n}": n for n in range(count)}, "here")
