"""Shapes of models that participants use, to recompute the size of their messages.

Source: each model's config.json on the hub; the message sizes that they give agree with the logs of
published runs (see `tests/verify/test_architectures.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

HEADER_BYTES = 128
"""The .npy header before each tensor. Source: flwr, numpy's format."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What of a decoder decides the shapes of its adapters."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    default_targets: tuple[str, ...] = ("q_proj", "v_proj")
    """peft's default. Source: peft `TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING`."""
    vocab: int | None = None
    """Tokens of the embedding; None where it was not looked up."""

    def linears(self) -> dict[str, tuple[str, int, int]]:
        """Return linear layer -> (parent module, in, out) of one block."""
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": ("self_attn", self.hidden, q),
            "k_proj": ("self_attn", self.hidden, kv),
            "v_proj": ("self_attn", self.hidden, kv),
            "o_proj": ("self_attn", q, self.hidden),
            "gate_proj": ("mlp", self.hidden, self.intermediate),
            "up_proj": ("mlp", self.hidden, self.intermediate),
            "down_proj": ("mlp", self.intermediate, self.hidden),
        }


_LLAMA_8B = Architecture(32, 4096, 14336, 32, 8, 128)
_FAMILIES = {
    ("smollm2-135m", "smollm2-135m-instruct"):
        Architecture(30, 576, 1536, 9, 3, 64, vocab=49152),
    ("smollm2-360m", "smollm2-360m-instruct"):
        Architecture(32, 960, 2560, 15, 5, 64, vocab=49152),
    ("smollm2-1.7b", "smollm2-1.7b-instruct"):
        Architecture(24, 2048, 8192, 32, 32, 64, vocab=49152),
    ("mistral-7b-v0.3", "mistral-7b-instruct-v0.3", "mistral-7b-v0.1"): _LLAMA_8B,
    ("llama-3.1-8b", "llama-3.1-8b-instruct", "meta-llama-3-8b-instruct",
     "bio-medical-llama-3-8b", "llama3.1-aloe-beta-8b"): _LLAMA_8B,
    ("llama-3.2-1b", "llama-3.2-1b-instruct"): Architecture(16, 2048, 8192, 32, 8, 64),
    ("llama-3.2-3b", "llama-3.2-3b-instruct"): Architecture(28, 3072, 8192, 24, 8, 128),
    ("tinyllama-1.1b-chat-v1.0",): Architecture(22, 2048, 5632, 32, 4, 64),
    ("qwen2.5-0.5b", "qwen2.5-0.5b-instruct", "qwen2.5-coder-0.5b-instruct"):
        Architecture(24, 896, 4864, 14, 2, 64),
    ("qwen2.5-1.5b", "qwen2.5-1.5b-instruct"): Architecture(28, 1536, 8960, 12, 2, 128),
    ("qwen2.5-3b", "qwen2.5-3b-instruct"): Architecture(36, 2048, 11008, 16, 2, 128),
    ("qwen2.5-7b", "qwen2.5-7b-instruct"): Architecture(28, 3584, 18944, 28, 4, 128),
    ("qwen3-0.6b",): Architecture(28, 1024, 3072, 16, 8, 128),
    ("internlm3-8b-instruct",): Architecture(48, 4096, 10240, 32, 2, 128, ()),
    ("gemma2-9b-cpt-sahabatai-v1-instruct", "gemma-2-9b-it"):
        Architecture(42, 3584, 14336, 16, 8, 256),
}  # fmt: skip

ARCHITECTURES = {name: item for names, item in _FAMILIES.items() for name in names}
"""Last part of the hub id, lower case -> architecture."""


def architecture_of(hub_id: str) -> Architecture | None:
    """Return the architecture of a model that is known here, or None."""
    return ARCHITECTURES.get(hub_id.rsplit("/", 1)[-1].lower())


def adapter_tensors(
    model: Architecture, rank: int, targets: tuple[str, ...] | None, dora: bool
) -> dict[str, tuple[int, ...]] | None:
    """Return the tensors of a LoRA or DoRA adapter, or None for a target that is not known."""
    linears = model.linears()
    names = targets if targets is not None else model.default_targets
    if not names or any(name not in linears for name in names):
        return None
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(model.layers):
        for name in names:
            parent, n_in, n_out = linears[name]
            path = f"base_model.model.model.layers.{layer}.{parent}.{name}"
            shapes[f"{path}.lora_A.weight"] = (rank, n_in)
            shapes[f"{path}.lora_B.weight"] = (n_out, rank)
            if dora:
                shapes[f"{path}.lora_magnitude_vector"] = (n_out,)
    return shapes


def message_sizes(shapes: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """Return the bytes of one message by both counts: `legacy` and `message`."""
    legacy = sum(4 * prod(shape) + HEADER_BYTES for shape in shapes.values())
    return {"legacy": legacy, "message": legacy + sum(map(len, shapes))}
