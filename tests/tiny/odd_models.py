"""A small random model of each family, with sizes and settings that a Llama has not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness.components import ModelSpec, spec_of_config
from harness.components.families import FAMILIES

KINDS = tuple(name for name, row in FAMILIES.items() if not row.own_code)

UNKNOWN = ("starcoder2", "glm")
"""Families that the table has not: their layers are read from transformers' modules."""

SIZES = {
    "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 512, "max_position_embeddings": 512,
    "initializer_range": 0.3,
}  # fmt: skip

WINDOW = 24
"""Tokens that a sliding layer sees: fewer than an example of the synthetic corpus has."""

GEMMA = {
    "head_dim": 24, "sliding_window": WINDOW, "query_pre_attn_scalar": 20,
    "layer_types": ["sliding_attention", "full_attention"], "tie_word_embeddings": True,
}  # fmt: skip

IDS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": None}

ODD: dict[str, dict[str, Any]] = {
    "llama": {"head_dim": 24, "attention_bias": True, "mlp_bias": True},
    "mistral": {"head_dim": 24, "sliding_window": WINDOW},
    "qwen2": {
        "tie_word_embeddings": True, "use_sliding_window": True, "sliding_window": WINDOW,
        "max_window_layers": 1,
    },
    "qwen3": {"head_dim": 24, "attention_bias": True, "tie_word_embeddings": True},
    "gemma2": {**GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
    "gemma3_text": GEMMA,
    "phi3": {"sliding_window": WINDOW, "tie_word_embeddings": True, "pad_token_id": 0,
             "partial_rotary_factor": 0.75},
    "olmo2": {"attention_bias": True},
    "smollm3": {"mlp_bias": True, "no_rope_layer_interval": 2, "use_sliding_window": True,
                "sliding_window": WINDOW},
    "granite": {
        "embedding_multiplier": 3.0, "attention_multiplier": 0.3, "residual_multiplier": 0.4,
        "logits_scaling": 2.0, "attention_bias": True,
    },
    "starcoder2": {"sliding_window": WINDOW, "tie_word_embeddings": True},
    "glm": {"head_dim": 24, "attention_bias": True, "partial_rotary_factor": 0.5},
}  # fmt: skip
"""Family -> what its config.json says besides `SIZES`."""


def odd_config(kind: str) -> Any:
    """Return transformers' configuration of a family's small model."""
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[kind](**{**SIZES, **IDS, **ODD[kind]})


def odd_spec(kind: str) -> ModelSpec:
    """Return the ModelSpec of a family's small model, not quantized."""
    values = {"model_type": kind, **SIZES, **ODD[kind]}
    if kind in UNKNOWN:
        from harness.sources.unknown_family.modules import read

        fields = {
            name: value for name, value in read(values | IDS, "tests").items() if value is not None
        }
        names = {"name": kind, "hub_id": f"tests/{kind}", "architecture": kind}
        return ModelSpec.model_validate(
            names | fields | {"quantization": "none", "dtype": "float32"}
        )
    return spec_of_config(
        values, f"tests/{kind}", "config.json", quantization="none", dtype="float32"
    )


def odd_model(kind: str, device: str = "cpu") -> Any:
    """Return the small model itself, random, its norms and biases too; equal every time."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(11)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(odd_config(kind))
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:  # transformers starts norms at one and biases at zero
                torch.nn.init.normal_(parameter, 0.5 if "norm" in name else 0.0, 0.3)
    return model


def _copy_tokenizer(source: Path, folder: Path) -> None:
    for path in source.iterdir():
        if path.name.startswith(("tokenizer", "special_tokens", "chat_template")):
            shutil.copy(path, folder)


def make_odd_model(kind: str, tokenizer_of: Path, folder: Path) -> Path:
    """Write a family's small model, with the tokenizer of another folder, as a mirror has it."""
    folder.mkdir(parents=True, exist_ok=True)
    _copy_tokenizer(tokenizer_of, folder)
    odd_model(kind).save_pretrained(folder)
    return folder


OWN_CODE = "internlm3"
"""The family whose models bring code of their own."""


def make_own_code_model(tokenizer_of: Path, folder: Path) -> Path:
    """Write a small model that brings its own code, `modeling_own.py`, as a mirror has it."""
    import torch
    from modeling_own import OwnConfig, OwnForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    _copy_tokenizer(tokenizer_of, folder)
    OwnConfig.register_for_auto_class()
    OwnForCausalLM.register_for_auto_class("AutoModelForCausalLM")
    torch.manual_seed(11)
    OwnForCausalLM(OwnConfig(eos_token_id=0)).save_pretrained(folder)
    return folder
