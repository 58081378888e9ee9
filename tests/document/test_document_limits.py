"""What is read of a document ends at its limits, and not before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.document import Document, parse_document, parse_json, read_json
from harness.document.reading import STRANGER
from harness.document.safetensors_header import file_bytes, read_header
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


def header_file(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def tensor(**changes: object) -> dict[str, object]:
    return {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]} | changes


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (b"\xff\xff", "not a safetensors file (header is not UTF-8)"),
        (b"[]", "not a safetensors file (header is no object)"),
        ({"__metadata__": []}, "not a safetensors file (metadata is no object of texts)"),
        ({"__metadata__": {"a": 1}}, "not a safetensors file (metadata is no object of texts)"),
        ({"a": []}, "tensor 'a' has no valid dtype and shape"),
        ({"a": tensor(dtype="U9")}, "tensor 'a' has no valid dtype and shape"),
        ({"a": tensor(dtype=8)}, "tensor 'a' has no valid dtype and shape"),
        ({"a": tensor(shape=2)}, "tensor 'a' has no valid dtype and shape"),
        ({"a": tensor(shape=[-2])}, "tensor 'a' has no valid dtype and shape"),
        ({"a": tensor(shape=[2.0])}, "tensor 'a' has no valid dtype and shape"),
        ({"a": tensor(shape=[True, 2])}, "tensor 'a' has no valid dtype and shape"),
        ({"a": tensor(data_offsets=[0])}, "tensor 'a' has offsets that do not fit its shape"),
        ({"a": tensor(data_offsets=[0, 2, 2])}, "tensor 'a' has offsets that do not fit its shape"),
        ({"a": tensor(data_offsets=[-1, 1])}, "tensor 'a' has offsets that do not fit its shape"),
        ({"a": tensor(data_offsets=[0, 3])}, "tensor 'a' has offsets that do not fit its shape"),
        ({"a": tensor(data_offsets=[1, 3])}, "tensor 'a' overlaps another or leaves a gap"),
        ({"a": tensor(), "b": tensor()}, "tensor 'b' overlaps another or leaves a gap"),
        ({"a": tensor(), "b": tensor(data_offsets=[3, 5])},
         "tensor 'b' overlaps another or leaves a gap"),
        ({"a": tensor(shape=[1], data_offsets=[0, 1])},
         "2 bytes of data, its header describes 1"),
    ],
)  # fmt: skip
def test_a_header_that_does_not_describe_its_file_is_refused(
    header: object, fault: str, tmp_path: Path
) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = header_file(tmp_path / "x.safetensors", text, b"xy")
    with pytest.raises(RecordError) as caught:
        read_header(path)
    assert str(caught.value) == f"{path}: {fault}"


def test_a_header_that_describes_its_file_is_read_in_its_order(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"}, "b": tensor(), "empty": tensor(shape=[0, 3],
        data_offsets=[2, 2]), "a": tensor(shape=[], dtype="F32", data_offsets=[2, 6]),
    }  # fmt: skip
    text = json.dumps(header).encode()
    found = read_header(header_file(tmp_path / "x.safetensors", text, b"xy1234"))
    assert found.shapes == {"b": (2,), "empty": (0, 3), "a": ()}
    assert list(found.shapes) == ["b", "empty", "a"]
    assert found.metadata == {"format": "pt"}


@pytest.mark.parametrize(
    "sign", [b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"]
)
def test_a_pickle_is_recognised(sign: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(sign.ljust(20, b"x"))
    with pytest.raises(RecordError, match="a pickle, which can run code when it is read"):
        read_header(path)


@pytest.mark.parametrize("length", [0x280, 0x380, 0x480, 0x580])
def test_a_header_whose_size_looks_like_a_pickle_is_none(length: int, tmp_path: Path) -> None:
    text = json.dumps({"a": tensor()}).encode()
    path = header_file(tmp_path / "x.safetensors", text.ljust(length), b"xy")
    assert path.read_bytes()[:2] == bytes([0x80, length >> 8])
    assert read_header(path).shapes == {"a": (2,)}


def test_the_size_of_our_file_counts_names_in_utf8_and_fills_up_to_eight() -> None:
    """`{"__metadata__":{"format":"pt"}}` are 32 bytes, and a tensor named a adds 60."""
    empty = len('{"__metadata__":{"format":"pt"}}')
    assert file_bytes({}) == 8 + -(-empty // 8) * 8
    for name, more in (("a" * 8, 8), ("é" * 8, 16), ("漢" * 8, 24)):
        item = ',"":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}'
        header = empty + len(item) + more
        assert file_bytes({name: (2, 3)}) == 8 + -(-header // 8) * 8 + 24


@pytest.mark.parametrize("text", ['{"a":' * 500_001, "[" * 500_001])
def test_values_are_counted_before_they_are_parsed(text: str) -> None:
    with pytest.raises(RecordError, match="here: more than 500000 values"):
        parse_json(text, "here")


def test_values_are_counted_one_by_one_where_strings_hold_commas() -> None:
    """The quick count is too high by the three commas; that one by one has the list and its end."""
    numbers = ",0" * 499_997
    assert len(parse_json(f'["a,b,c,d"{numbers}]', "here")) == 499_998
    with pytest.raises(RecordError, match="here: more than 500000 values"):
        parse_json(f'["a,b,c,d"{numbers},0]', "here")


@pytest.mark.parametrize("item", [{}, tensor(data_offsets=[0, 3]), tensor(data_offsets=[1, 3])])
def test_80_characters_of_a_tensor_s_name_are_shown(item: object, tmp_path: Path) -> None:
    header = json.dumps({"n" * 81: item}).encode()
    with pytest.raises(RecordError) as caught:
        read_header(header_file(tmp_path / "x.safetensors", header, b"xy"))
    assert f"tensor '{'n' * 80}' " in str(caught.value)
