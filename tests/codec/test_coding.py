"""Encoding and decoding: what comes back, what is lost, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from threadpoolctl import threadpool_limits  # noqa: E402

from harness.codec.arithmetic import CODINGS  # noqa: E402
from harness.codec.choice import Codec  # noqa: E402
from harness.codec.coding import decode, encode  # noqa: E402
from harness.codec.sizes import ENCODED, encoded_bytes  # noqa: E402
from harness.errors import FederationError  # noqa: E402

CODECS = [
    Codec(name="float16"),
    Codec(name="bfloat16"),
    Codec(name="int8", block=64),
    Codec(name="top-k", share=0.2),
    Codec(name="low-rank", rank=2),
]
SHAPES = {"a.lora_A.weight": (8, 50), "a.lora_B.weight": (30, 8), "m": (30,), "one": (1,)}


def drawn(seed: int = 1, scale: float = 1e-3) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {n: (scale * draw.standard_normal(s)).astype(np.float32) for n, s in SHAPES.items()}


def length(tensors: dict[str, Any]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(v, dtype=np.float64)) for v in tensors.values())))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_what_is_decoded_is_what_the_sender_knows(codec: Codec) -> None:
    tensors, reference = drawn(), drawn(2, 0.1)
    tensors = {name: reference[name] + values for name, values in tensors.items()}
    sent = encode(codec, tensors, reference)
    again = encode(codec, tensors, reference)
    assert sent.data.tobytes() == again.data.tobytes()
    assert len(sent.data) + 128 + len(ENCODED) == encoded_bytes(codec, SHAPES)
    back = decode(codec, sent.data, SHAPES, reference)
    assert all(np.array_equal(back[name], sent.decoded[name]) for name in SHAPES)
    lost = {name: tensors[name] - back[name] for name in SHAPES}
    whole = {name: tensors[name] - reference[name] for name in SHAPES}
    # A sum with the reference is rounded to float32 once more.
    assert length(lost) / length(whole) == pytest.approx(sent.loss, rel=0.05, abs=3e-5)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-6, 1.0, 1e4])
def test_no_codec_loses_more_than_it_says(codec: Codec, scale: float) -> None:
    for seed in range(5):
        assert 0 <= encode(codec, drawn(seed, scale)).loss <= 1


def test_rounding_is_that_of_the_formats() -> None:
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-7], np.float32)
    found = encode(Codec(name="bfloat16"), {"v": values}).decoded["v"]
    assert found.tolist() == [1.0, 1.0, 1 + 2**-6, -1 - 2**-7]
    torch = pytest.importorskip("torch")
    many = drawn(3, 1.0)["a.lora_A.weight"]
    for codec, kind in (("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        theirs = torch.from_numpy(many).to(kind).float().numpy()
        assert np.array_equal(encode(Codec(name=codec), {"v": many}).decoded["v"], theirs)


def test_what_top_k_leaves_out_is_sent_later() -> None:
    codec, wanted = Codec(name="top-k", share=0.2), drawn()
    carried: dict[str, Any] = {}
    got = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    for _ in range(12):
        sent = encode(codec, got, got, carried or wanted)
        got, carried = sent.decoded, sent.left_out
    assert length({n: got[n] - wanted[n] for n in SHAPES}) < 1e-6 * length(wanted)


def test_of_equal_numbers_the_first_are_kept() -> None:
    found = encode(Codec(name="top-k", share=0.5), {"v": np.array([1, -1, 1, -1], np.float32)})
    assert found.decoded["v"].tolist() == [1, -1, 0, 0]


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(FederationError, match="float16 cannot hold the numbers of v"):
        encode(Codec(name="float16"), {"v": np.array([1e5], np.float32)})


def test_a_codec_that_loses_more_than_it_says_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = CODINGS["int8"]
    zeros = replace(honest, encode=lambda codec, x: bytes(len(honest.encode(codec, x))))
    monkeypatch.setitem(CODINGS, "int8", zeros)
    with pytest.raises(FederationError, match=r"codec int8 lost .* by its own word"):
        encode(Codec(name="int8"), drawn())


@pytest.mark.parametrize("wrong", ["shape", "dtype", "bytes"])
def test_a_codec_that_gives_another_tensor_back_is_refused(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    honest = CODINGS["float16"]
    other = {
        "shape": replace(honest, decode=lambda c, data, s: honest.decode(c, data, s).reshape(-1)),
        "dtype": replace(honest, decode=lambda c, d, s: honest.decode(c, d, s).astype(np.float64)),
        "bytes": replace(honest, encode=lambda codec, x: honest.encode(codec, x)[2:]),
    }
    monkeypatch.setitem(CODINGS, "float16", other[wrong])
    with pytest.raises(FederationError, match="codec float16"):
        encode(Codec(name="float16"), drawn())


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_bytes_that_are_no_such_message_are_refused(codec: Codec) -> None:
    data = encode(codec, drawn()).data
    for wrong in (data[:-1], np.concatenate([data, data[:1]]), data.astype(np.float32)):
        with pytest.raises(FederationError, match="an encoded message"):
            decode(codec, wrong, SHAPES)


def test_places_outside_of_a_tensor_are_refused() -> None:
    codec = Codec(name="top-k", share=0.5)
    data = encode(codec, {"v": np.arange(4, dtype=np.float32)}).data.copy()
    data[:4] = 255
    with pytest.raises(FederationError, match="places that its tensor does not have"):
        decode(codec, data, {"v": (4,)})


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_no_number_depends_on_the_threads_of_the_process(codec: Codec) -> None:
    tensors = {"large": np.random.default_rng(1).standard_normal((14_336, 64)).astype(np.float32)}
    sent = []
    for threads in (1, 4):
        with threadpool_limits(threads, user_api="blas"):
            made = encode(codec, tensors)
            back = decode(codec, made.data, {"large": (14_336, 64)})["large"]
            sent.append((made.loss, made.data.tobytes(), back.tobytes()))
    assert sent[0] == sent[1]
