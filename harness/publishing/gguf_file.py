"""The merged model as a GGUF file, which llama.cpp runs.

Source: the package `gguf`, which llama.cpp's own converter uses, and that converter's layout of a
Llama: queries and keys are stored with the two halves of a head interleaved.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.document import parse_json
from harness.errors import MissingExtraError, UsageError, how_to_install

Kind = Literal["f32", "f16", "q8_0"]
KINDS: tuple[Kind, ...] = ("f32", "f16", "q8_0")

DIGITS = {"type": "Digits", "individual_digits": True}
PRE_TOKENIZERS = {"Digits ByteLevel": "smollm"}
"""Parts of a tokenizer's splitting -> llama.cpp's name of the same splitting. Another one would
give other tokens, so that only these are written."""

NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip
"""Part of a layer in transformers -> in GGUF."""
WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def write_gguf(merged: Path, file: Path, kind: Kind, name: str) -> None:
    """Write a merged model as GGUF.

    Args:
        merged: folder of the merged model, float32 safetensors.
        file: where to.
        kind: how matrices are stored; vectors stay float32.
        name: of the model.

    Raises:
        UsageError: the model is no Llama, or its tokenizer splits text in a way that is not known.
        MissingExtraError: the package `gguf` is not installed.
    """
    try:
        import gguf
    except ImportError:
        raise MissingExtraError(f"a GGUF file needs gguf; {how_to_install('run')}") from None
    config = parse_json((merged / "config.json").read_text(), "config.json")
    if config.get("model_type") != "llama" or config.get("rope_scaling"):
        raise UsageError(
            f"a GGUF file is written of plain Llamas, this is a {config.get('model_type')};"
            " publish the merged model (--merged) and convert it with llama.cpp"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(file, "llama")
    _describe(writer, config, name)
    _tokens(writer, gguf, merged, config)
    _weights(writer, gguf, merged, config, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: Any, config: dict[str, Any], name: str) -> None:
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or config
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_vocab_size(config["vocab_size"])


def _tokens(writer: Any, gguf: Any, merged: Path, config: dict[str, Any]) -> None:
    tokenizer = json.loads((merged / "tokenizer.json").read_text())
    model = tokenizer["model"]
    parts = tokenizer["pre_tokenizer"].get("pretokenizers", [tokenizer["pre_tokenizer"]])
    splitting = " ".join(item["type"] for item in parts)
    pre = PRE_TOKENIZERS.get(splitting)
    digits = next((item for item in parts if item["type"] == "Digits"), DIGITS)
    if model["type"] != "BPE" or pre is None or digits != DIGITS:
        raise UsageError(
            f"llama.cpp's name of this tokenizer's splitting ({model['type']}, {splitting}) is not"
            " known here; publish the merged model (--merged) and convert it with llama.cpp"
        )
    vocabulary = {number: text for text, number in model["vocab"].items()}
    special = {item["id"]: item for item in tokenizer.get("added_tokens", ())}
    texts, types = [], []
    for number in range(config["vocab_size"]):
        added = special.get(number)
        text = added["content"] if added else vocabulary.get(number)
        texts.append(f"[PAD{number}]" if text is None else text)
        if text is None:
            types.append(gguf.TokenType.UNUSED)
        elif added:
            types.append(
                gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
            )
        else:
            types.append(gguf.TokenType.NORMAL)
    merges = [item if isinstance(item, str) else " ".join(item) for item in model["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(texts)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)


def _weights(writer: Any, gguf: Any, merged: Path, config: dict[str, Any], kind: Kind) -> None:
    from safetensors import safe_open

    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    stored = {
        "f32": gguf.GGMLQuantizationType.F32, "f16": gguf.GGMLQuantizationType.F16,
        "q8_0": gguf.GGMLQuantizationType.Q8_0,
    }[kind]  # fmt: skip
    for path in sorted(merged.glob("*.safetensors")):
        with safe_open(path, "numpy") as tensors:
            for name in sorted(tensors.keys()):
                values = tensors.get_tensor(name).astype(np.float32)
                if name.endswith("q_proj.weight"):
                    values = interleaved(values, heads)
                elif name.endswith("k_proj.weight"):
                    values = interleaved(values, kv_heads)
                if values.ndim == 1 or kind == "f32":
                    writer.add_tensor(gguf_name(name), values)
                else:
                    packed = gguf.quants.quantize(values, stored)
                    writer.add_tensor(gguf_name(name), packed, raw_dtype=stored)


def gguf_name(name: str) -> str:
    """Return the GGUF name of a Llama's tensor.

    `model.layers.3.mlp.up_proj.weight` becomes `blk.3.ffn_up.weight`.

    Raises:
        UsageError: a Llama has no such tensor.
    """
    if name in WHOLE:
        return WHOLE[name]
    parts = name.split(".")
    part = NAMES.get(".".join(parts[3:-1]))
    if parts[:2] != ["model", "layers"] or part is None or parts[-1] != "weight":
        raise UsageError(f"a plain Llama has no tensor {name}; publish the merged model (--merged)")
    return f"blk.{parts[2]}.{part}.weight"


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Return a query's or key's rows as llama.cpp turns them: pairs beside each other.

    transformers turns row i of a head together with row i + size / 2, llama.cpp rows 2i and 2i + 1.

    Args:
        weight: (heads * size, inputs), float32.
        heads: of the weight.
    """
    rows, inputs = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, inputs)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, inputs))
