"""Read a family's layers from transformers: `python -m harness.sources.unknown_family.modules`.

Arguments are a config.json and the file to write. transformers builds two models of it: the whole
one on the meta device, which has shapes and no weights, and a small one whose sizes all differ, so
that a width is known to be the hidden size, and no other that happens to be equal. Nothing is asked
of a network, and code out of a model's folder does not run. What is no plain decoder is refused by
name. Run by `harness.sources.unknown_family.layouts`, in a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.components.families import Size
from harness.components.layout import in_every_block
from harness.components.model_config import LARGEST_SIZE, MOST_LAYERS
from harness.document import pretty_json
from harness.kernel import calls
from harness.kernel.namespaces import own_namespaces
from harness.machine.versions import harness_code
from harness.sources.unknown_family.layouts import REFUSED, REFUSED_BY
from harness.sources.unknown_family.module_tree import NoPlainDecoderError, layout_of, tree_of

MOST_DATA_BYTES = 6 * 2**30
"""Memory of this process: building a model of 70 billion parameters takes below 1 GiB."""

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

TOKENS = 6
"""Length of the row by which the small model shows that it does not look ahead."""


def read(values: dict[str, Any], library: str) -> dict[str, Any]:
    """Return the fields of a ModelSpec that a config.json decides, its layout among them.

    Args:
        values: of the config.json.
        library: whose modules are read.

    Raises:
        NoPlainDecoderError: the layers cannot be said by a Layout, or it is no causal model.
    """
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    kind = str(values.pop("model_type"))
    if kind not in CONFIG_MAPPING:
        brings = ", and code out of a model's folder is not read" if "auto_map" in values else ""
        raise NoPlainDecoderError(f"{library} has no model_type {kind[:40]!r}{brings}")
    inner = next((key for key, value in values.items() if _is_config(value)), None)
    if inner is not None:
        raise NoPlainDecoderError(f"it is made of several models, {inner} is one of them")
    own = CONFIG_MAPPING[kind]
    with _refused_as(f"{library} makes no model of its config.json"):
        config = own(**{key: value for key, value in values.items() if key != "auto_map"})
    if config.is_encoder_decoder:
        raise NoPlainDecoderError("it is an encoder with a decoder")
    default = own()
    with _refused_as("its blocks are not all alike"):
        intermediate = next((key for key in INTERMEDIATE if _has(default, key)), INTERMEDIATE[1])
        sizes = _sizes(config, default, intermediate)
    switches = _switches(values, default)
    of_small = in_every_block(switches, SMALL["num_hidden_layers"])
    with _refused_as(f"{library} makes no model of its config.json"), torch.device("meta"):
        whole = tree_of(AutoModelForCausalLM.from_config(config), sizes)
    layout_of(whole, whole, intermediate)  # a width of no size is said before a small one is made
    with _refused_as("a small model of its family does not follow from sizes alone"):
        small = own(**_small_values(config, default, intermediate), **of_small)
        small.tie_word_embeddings = config.tie_word_embeddings
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(small)
        try:
            tree = tree_of(model, _sizes(small, default, intermediate))
        except NoPlainDecoderError as error:  # the model itself has been found plain
            why = "what makes it plain is no size, and a small model of its family is none"
            raise NoPlainDecoderError(f"{why} ({error})") from None
        layout = layout_of(whole, tree, intermediate)
        _refuse_looking_ahead(model)
    head_dim = sizes["head"]
    return {
        "layers": config.num_hidden_layers,
        "hidden": sizes["hidden"],
        "intermediate": sizes["intermediate"],
        "heads": config.num_attention_heads,
        "kv_heads": sizes["keys"] // head_dim,
        "vocab": sizes["vocab"],
        "head_dim": None if sizes["queries"] == sizes["hidden"] else head_dim,
        "tied_embeddings": whole.tied,
        "layout": layout.with_values(
            library=library,
            kv_heads=_kv_key(config, default) or KV_HEADS[0],
            switches=switches,
        ).model_dump(mode="json"),
    }


@contextmanager
def _refused_as(what: str) -> Iterator[None]:
    """Say of what a library refuses to build that it is no plain decoder.

    Raises:
        NoPlainDecoderError: it is none, or the library refused it; not for want of memory.
    """
    try:
        yield
    except (NoPlainDecoderError, MemoryError):
        raise
    except Exception as error:
        if "alloc" in str(error):  # torch's own word for want of memory
            raise
        why = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise NoPlainDecoderError(f"{what} ({why})") from error


def _is_config(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.get("model_type"))  # MPT's attention has ""


def _has(config: Any, key: str) -> bool:
    """Whether a configuration takes a key: some compute it, which cannot be set."""
    return hasattr(config, key) and not isinstance(getattr(type(config), key, None), property)


def _sizes(config: Any, default: Any, intermediate: str) -> Mapping[Size, int]:
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
    shared = _kv_key(config, default)
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


def _kv_key(config: Any, default: Any) -> str | None:
    """Return the key of how many heads of keys and values there are; None where none says it."""
    if not getattr(config, "new_decoder_architecture", True):
        return None  # Falcon-7B says by a switch that all heads share one of keys and of values
    return next((key for key in KV_HEADS if _has(default, key)), None)


def _switches(values: Mapping[str, Any], default: Any) -> dict[str, bool | int | str]:
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
        if _has(default, key)
        and not hasattr(every, key)
        and key not in sizes
        and not key.endswith("_token_id")
        and (value := _switch(given)) is not None
        and value != _switch(getattr(default, key))
    }


def _switch(value: Any) -> bool | int | str | None:
    """Return a value that is no size, the word that a list has in every place; None of others."""
    if isinstance(value, list) and value and set(map(str, value)) == {value[0]}:
        return str(value[0])
    return value if isinstance(value, bool | int) and value in (0, 1) else None


def _small_values(config: Any, default: Any, intermediate: str) -> dict[str, Any]:
    """Return what makes the small model: sizes that a family has, none of them equal."""
    names = {**SMALL, intermediate: SMALL_INTERMEDIATE}
    if (shared := _kv_key(config, default)) is not None:
        names[shared] = SMALL_KV_HEADS
    ids: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    has = {key: value for key, value in names.items() if _has(default, key)}
    if getattr(config, "head_dim", None) is None:
        has.pop("head_dim", None)  # a family that may have it, and a model that has not
    return has | ids


def _refuse_looking_ahead(model: Any) -> None:
    """Check that a token's logits do not change with the tokens after it.

    Raises:
        NoPlainDecoderError: they do.
    """
    import torch

    ids = torch.arange(1, TOKENS + 1).unsqueeze(0)
    other = ids.clone()
    other[0, -1] = 0
    with torch.inference_mode():
        model.eval()
        before, after = (model(input_ids=item, use_cache=False).logits[0] for item in (ids, other))
    if not torch.equal(before[:-1], after[:-1]) or torch.equal(before[-1], after[-1]):
        raise NoPlainDecoderError("a token's logits depend on the tokens after it")


def _hold_back() -> None:
    """Take this process's network, and bound its memory."""
    with suppress(OSError):  # a kernel that refuses; nothing here asks a network
        own_namespaces(calls.CLONE_NEWNET, os.geteuid() == 0)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_DATA_BYTES, MOST_DATA_BYTES))


def main() -> None:
    """Read the config.json that is named first and write what is found of it to the second."""
    _hold_back()
    import transformers

    values = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    transformers.logging.set_verbosity_error()
    try:
        found = read(values, f"transformers {transformers.__version__}")
    except NoPlainDecoderError as error:
        found = {REFUSED: str(error), REFUSED_BY: harness_code().digest}
    except Exception as error:  # whatever a library says of a stranger's file
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split())[:200])
    Path(sys.argv[2]).write_text(pretty_json(found), "utf-8")


if __name__ == "__main__":
    main()
