"""A GGUF file holds the merged model's numbers, under llama.cpp's names and in its order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from harness.errors import UsageError
from harness.publishing.gguf_file import gguf_name, interleaved, write_gguf

HEADS, KV_HEADS, SIZE, HIDDEN, WIDE, WORDS = 2, 1, 8, 16, 32, 6
SPLITTING = [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel"}]


def tensors() -> dict[str, Any]:
    draw = np.random.default_rng(1)
    layer = "model.layers.0."
    shapes = {
        "model.embed_tokens.weight": (WORDS, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        f"{layer}input_layernorm.weight": (HIDDEN,),
        f"{layer}post_attention_layernorm.weight": (HIDDEN,),
        f"{layer}self_attn.q_proj.weight": (HEADS * SIZE, HIDDEN),
        f"{layer}self_attn.k_proj.weight": (KV_HEADS * SIZE, HIDDEN),
        f"{layer}self_attn.v_proj.weight": (KV_HEADS * SIZE, HIDDEN),
        f"{layer}self_attn.o_proj.weight": (HIDDEN, HEADS * SIZE),
        f"{layer}mlp.gate_proj.weight": (WIDE, HIDDEN),
        f"{layer}mlp.up_proj.weight": (WIDE, HIDDEN),
        f"{layer}mlp.down_proj.weight": (HIDDEN, WIDE),
    }
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    from safetensors.numpy import save_file

    folder = tmp_path / "merged"
    folder.mkdir()
    save_file(tensors(), folder / "model.safetensors")
    config = {
        "model_type": "llama", "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "head_dim": SIZE, "hidden_size": HIDDEN, "intermediate_size": WIDE, "num_hidden_layers": 1,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "vocab_size": WORDS + 1,
        "rope_parameters": {"rope_theta": 1e4}, "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {
        "model": {"type": "BPE", "vocab": {"<e>": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5},
                  "merges": [["a", "b"], "ab c"]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": SPLITTING},
        "added_tokens": [{"id": 0, "content": "<e>", "special": True}],
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def changed(folder: Path, name: str, change: Any) -> None:
    value = json.loads((folder / name).read_text())
    change(value)
    (folder / name).write_text(json.dumps(value))


def test_the_numbers_are_the_merged_models(merged: Path, tmp_path: Path) -> None:
    write_gguf(merged, tmp_path / "out/x.gguf", "f32", "x")
    found = gguf.GGUFReader(tmp_path / "out/x.gguf")
    stored = {item.name: item.data for item in found.tensors}
    ours = tensors()
    assert len(stored) == len(ours)
    for name, values in ours.items():
        expected = values
        if name.endswith("q_proj.weight"):
            expected = interleaved(values, HEADS)
        if name.endswith("k_proj.weight"):
            expected = interleaved(values, KV_HEADS)
        assert np.array_equal(stored[gguf_name(name)], expected), name
    words = found.fields["tokenizer.ggml.tokens"]
    texts = [bytes(words.parts[place]).decode() for place in words.data]
    assert texts == ["<e>", "a", "b", "c", "ab", "abc", "[PAD6]"]
    merges = found.fields["tokenizer.ggml.merges"]
    assert [bytes(merges.parts[place]).decode() for place in merges.data] == ["a b", "ab c"]


def test_halves_come_from_rounding_and_vectors_stay_whole(merged: Path, tmp_path: Path) -> None:
    write_gguf(merged, tmp_path / "x.gguf", "f16", "x")
    stored = {item.name: item.data for item in gguf.GGUFReader(tmp_path / "x.gguf").tensors}
    assert stored["blk.0.ffn_up.weight"].dtype == np.float16
    up = tensors()["model.layers.0.mlp.up_proj.weight"]
    assert np.array_equal(stored["blk.0.ffn_up.weight"], up.astype(np.float16))
    assert stored["output_norm.weight"].dtype == np.float32


def test_turning_pairs_is_turning_halves() -> None:
    """The score of a query and a key at two places is the same in both layouts."""
    draw = np.random.default_rng(2)
    weights = draw.normal(size=(2, SIZE, 4)).astype(np.float32)
    state = draw.normal(size=4).astype(np.float32)

    def turned(vector: Any, place: int, pairs: bool) -> Any:
        angle = place / 1e4 ** (np.arange(SIZE // 2) * 2 / SIZE)
        first, second = (
            (vector[0::2], vector[1::2]) if pairs else (vector[: SIZE // 2], vector[SIZE // 2 :])
        )
        one = first * np.cos(angle) - second * np.sin(angle)
        other = first * np.sin(angle) + second * np.cos(angle)
        return np.concatenate([one, other])

    def score(pairs: bool) -> float:
        query, key = (interleaved(w, 1) if pairs else w for w in weights)
        return float(turned(query @ state, 7, pairs) @ turned(key @ state, 3, pairs))

    assert score(pairs=True) == pytest.approx(score(pairs=False), rel=1e-5)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("config.json", lambda v: v.update(model_type="gemma2"), "this is a gemma2"),
        ("config.json", lambda v: v.update(rope_scaling={"type": "yarn"}), "plain Llamas"),
        ("tokenizer.json", lambda v: v["model"].update(type="Unigram"), "Unigram"),
        ("tokenizer.json", lambda v: v.update(pre_tokenizer={"type": "ByteLevel"}), "not known"),
        ("tokenizer.json", lambda v: v["pre_tokenizer"]["pretokenizers"][0].update(
            individual_digits=False), "not known"),
    ],
)  # fmt: skip
def test_what_llama_cpp_would_read_otherwise_is_refused(
    file: str, change: Any, said: str, merged: Path, tmp_path: Path
) -> None:
    changed(merged, file, change)
    with pytest.raises(UsageError, match=said):
        write_gguf(merged, tmp_path / "x.gguf", "f16", "x")


def test_a_tensor_that_no_llama_has_is_refused() -> None:
    assert gguf_name("model.layers.3.mlp.up_proj.weight") == "blk.3.ffn_up.weight"
    for name in ("model.layers.3.self_attn.q_norm.weight", "model.layers.3.mlp.up_proj.bias"):
        with pytest.raises(UsageError, match="has no tensor"):
            gguf_name(name)
