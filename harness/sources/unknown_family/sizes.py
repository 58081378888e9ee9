"""The sizes and switches of a configuration of transformers, by the names that its family has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.components.families import KEYS, Size
from harness.components.model_config import LARGEST_SIZE, MOST_LAYERS
from harness.sources.unknown_family.module_tree import NoPlainDecoderError

INTERMEDIATE = (
    "shared_intermediate_size",
    "intermediate_size",
    "ffn_dim",
    "ffn_hidden_size",
    "n_inner",
)
"""Names that families have for the width of their MLP; Granite 4 has two, and uses the first."""

KV_HEADS = ("num_key_value_heads", "num_kv_heads")
"""Names that they have for the number of heads of keys and values."""

SMALL = {
    "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "head_dim": 24,
    "vocab_size": 320,
}  # fmt: skip
SMALL_KV_HEADS = 2
SMALL_INTERMEDIATE = 144


def has(config: Any, key: str) -> bool:
    """Whether a configuration takes a key: some compute it, which cannot be set."""
    return hasattr(config, key) and not isinstance(getattr(type(config), key, None), property)


def sizes_of(config: Any, default: Any, intermediate: str) -> Mapping[Size, int]:
    """Return the widths of a configuration, by the keys that its family has.

    Raises:
        NoPlainDecoderError: one is missing, or no size.
    """

    def size(key: str, otherwise: int | None = None) -> int:
        value = getattr(config, key, None) if hasattr(default, key) else None
        value = otherwise if value is None else value
        if value is None:
            raise NoPlainDecoderError(f"it has no {key}, as a decoder with attention has")
        most = MOST_LAYERS if key == "num_hidden_layers" else LARGEST_SIZE
        if type(value) is not int or not 0 < value <= most:
            raise NoPlainDecoderError(f"{key} is {value!s:.40}, which is no size")
        return value

    size("num_hidden_layers")
    heads, hidden = size("num_attention_heads"), size("hidden_size")
    mlp = size(intermediate, 4 * hidden)  # as GPT-2, BLOOM and MPT have it where nothing is said
    head = size("head_dim", hidden // heads)
    shared = kv_key(config, default)
    one = shared is None and getattr(config, "multi_query", False)
    queries, keys = heads * head, (1 if one else size(shared or "", heads)) * head
    return {
        "hidden": hidden,
        "intermediate": mlp,
        "queries": queries,
        "keys": keys,
        "head": head,
        "qkv": queries + 2 * keys,
        "gate_up": 2 * mlp,
        "vocab": size("vocab_size"),
        "one": 1,
    }


def intermediate_key(default: Any) -> str:
    """Return the key of the width of a family's MLP, whether it has it or not."""
    return next((key for key in INTERMEDIATE if has(default, key)), KEYS["intermediate"])


def kv_key(config: Any, default: Any) -> str | None:
    """Return the key of how many heads of keys and values there are; None where none says it."""
    if not getattr(config, "new_decoder_architecture", True):
        return None  # Falcon-7B says by a switch that all heads share one of keys and of values
    return next((key for key in KV_HEADS if has(default, key)), None)


def switches_of(values: Mapping[str, Any], default: Any) -> dict[str, bool | int | str]:
    """Return what a config.json turns on or off, of the keys that its family has.

    That is also a count of none or of one, as of experts, and what every block is, where blocks of
    the family can be of several kinds.
    """
    from transformers import PretrainedConfig

    every = PretrainedConfig()
    sizes = {*SMALL, *INTERMEDIATE, *KV_HEADS, "use_cache", "tie_word_embeddings"}
    return {
        key: value
        for key, given in sorted(values.items())
        if has(default, key)
        and not hasattr(every, key)
        and key not in sizes
        and not key.endswith("_token_id")
        and (value := _switch(given)) is not None
        and value != _switch(getattr(default, key))
    }


def _switch(value: Any) -> bool | int | str | None:
    """Return a value that is no size, the word that a list has in every place; None of others."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return value[0] if value.count(value[0]) == len(value) > 1 else None
    return value if isinstance(value, bool | int) and value in (0, 1) else None


def small_values(config: Any, default: Any, intermediate: str) -> dict[str, Any]:
    """Return what makes the small model: sizes that a family has, none of them equal."""
    names = {**SMALL, intermediate: SMALL_INTERMEDIATE}
    if (shared := kv_key(config, default)) is not None:
        names[shared] = SMALL_KV_HEADS
    ids: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    taken = {key: value for key, value in names.items() if has(default, key)}
    if getattr(config, "head_dim", None) is None:
        taken.pop("head_dim", None)  # a family that may have it, and a model that has not
    return taken | ids
