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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.components.families import Size
from harness.components.layout import Layout, Part
from harness.components.model_config import LARGEST_SIZE, MOST_LAYERS
from harness.document import pretty_json
from harness.kernel import calls
from harness.kernel.namespaces import own_namespaces

MOST_DATA_BYTES = 6 * 2**30
"""Memory of this process: building a model of 70 billion parameters takes below 1 GiB."""

INTERMEDIATE = ("intermediate_size", "ffn_dim", "ffn_hidden_size", "n_inner")
"""Names that families have for the width of their MLP."""

SMALL = {
    "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 24, "vocab_size": 320,
}  # fmt: skip
SMALL_INTERMEDIATE = 144

TOKENS = 6
"""Length of the row by which the small model shows that it does not look ahead."""


class NoPlainDecoderError(Exception):
    """A model is not what a Layout can say."""


@dataclass(frozen=True, slots=True)
class Block:
    """What one decoder block holds."""

    linears: tuple[tuple[str, int, int, bool], ...]
    """(path inside the block, width in, width out, whether it has a bias), in module order."""
    others: tuple[tuple[str, int], ...]
    """(path inside the block, width) of every other weight."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What a model holds."""

    blocks: str
    block: Block
    outside: tuple[tuple[str, int], ...]
    embedding: str
    head: str
    tied: bool
    sizes: Mapping[Size, int]


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
    config = own(**{key: value for key, value in values.items() if key != "auto_map"})
    if config.is_encoder_decoder:
        raise NoPlainDecoderError("it is an encoder with a decoder")
    default = own()
    intermediate = next((key for key in INTERMEDIATE if _has(default, key)), None)
    if intermediate is None:
        raise NoPlainDecoderError(
            f"the width of its MLP is under none of {', '.join(INTERMEDIATE)}"
        )
    sizes = _sizes(config, default, intermediate)
    switches = _switches(values, default)
    with torch.device("meta"):
        whole = _tree(AutoModelForCausalLM.from_config(config), sizes)
    small = own(**_small_values(config, default, intermediate) | switches)
    small.tie_word_embeddings = config.tie_word_embeddings
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(small)
    _refuse_looking_ahead(model)
    layout = _layout(whole, _tree(model, _sizes(small, default, intermediate)), intermediate)
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
        "layout": layout.with_values(library=library, switches=switches).model_dump(mode="json"),
    }


def _is_config(value: Any) -> bool:
    return isinstance(value, dict) and "model_type" in value


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
        most = MOST_LAYERS if key == "num_hidden_layers" else LARGEST_SIZE
        if type(value) is not int or not 0 < value <= most:
            raise NoPlainDecoderError(f"{key} is {value!s:.40}, which is no size")
        return value

    size("num_hidden_layers")
    heads, hidden, mlp = size("num_attention_heads"), size("hidden_size"), size(intermediate)
    head = size("head_dim", hidden // heads)
    queries, keys = heads * head, size("num_key_value_heads", heads) * head
    return {
        "hidden": hidden,
        "intermediate": mlp,
        "queries": queries,
        "keys": keys,
        "head": head,
        "qkv": queries + 2 * keys,
        "gate_up": 2 * mlp,
        "vocab": size("vocab_size"),
    }


def _switches(values: Mapping[str, Any], default: Any) -> dict[str, bool]:
    """Return what a config.json turns on or off, of the keys that its family has."""
    from transformers import PretrainedConfig

    every = PretrainedConfig()
    return {
        key: value
        for key, value in sorted(values.items())
        if isinstance(value, bool)
        and _has(default, key)
        and not hasattr(every, key)
        and key not in ("use_cache", "tie_word_embeddings")
        and getattr(default, key) != value
    }


def _small_values(config: Any, default: Any, intermediate: str) -> dict[str, Any]:
    """Return what makes the small model: sizes that a family has, none of them equal."""
    names = {**SMALL, intermediate: SMALL_INTERMEDIATE}
    ids: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    has = {key: value for key, value in names.items() if _has(default, key)}
    if getattr(config, "head_dim", None) is None:
        has.pop("head_dim", None)  # a family that may have it, and a model that has not
    return has | ids


def _tree(model: Any, sizes: Mapping[Size, int]) -> Tree:
    """Return what a model holds.

    Raises:
        NoPlainDecoderError: its blocks differ, or it has weights that are neither linear layers nor
            of one dimension.
    """
    from torch import nn

    layers = model.config.num_hidden_layers
    lists = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and len(module) == layers
        and any(isinstance(item, nn.Linear) for item in module.modules())
    ]
    if not lists:
        raise NoPlainDecoderError(f"no list of {layers} blocks with linear layers is in it")
    blocks = lists[0]
    found = [_block(module) for module in model.get_submodule(blocks)]
    for place, block in enumerate(found):
        if block != found[0]:
            raise NoPlainDecoderError(f"block {place} has other layers than block 0")
    names = {module: name for name, module in model.named_modules()}
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is None:
        raise NoPlainDecoderError("it has no output head")
    outside = []
    for name, weight in model.named_parameters():
        if name.startswith(f"{blocks}.") or weight is embedding.weight or weight is head.weight:
            continue
        if weight.ndim != 1:
            raise NoPlainDecoderError(f"{name} lies beside its blocks, {list(weight.shape)}")
        outside.append((name, len(weight)))
    expected = (sizes["vocab"], sizes["hidden"])
    for table in (embedding, head):
        if tuple(table.weight.shape) != expected:
            raise NoPlainDecoderError(
                f"{names[table]} is {list(table.weight.shape)}, expected {list(expected)}"
            )
    return Tree(
        blocks=blocks,
        block=found[0],
        outside=tuple(outside),
        embedding=names[embedding],
        head=names[head],
        tied=head.weight is embedding.weight,
        sizes=sizes,
    )


def _block(module: Any) -> Block:
    from torch import nn

    linears = {name: item for name, item in module.named_modules() if isinstance(item, nn.Linear)}
    others = []
    for name, weight in module.named_parameters():
        owner = name.rpartition(".")[0]
        if owner in linears:
            continue
        if weight.ndim != 1:
            kind = type(module.get_submodule(owner)).__name__
            raise NoPlainDecoderError(
                f"{name} of a block, {list(weight.shape)}, is a weight of {kind} and not of a"
                " linear layer, as in a mixture of experts"
            )
        others.append((name, len(weight)))
    return Block(
        tuple(
            (name, item.in_features, item.out_features, item.bias is not None)
            for name, item in linears.items()
        ),
        tuple(others),
    )


def _layout(whole: Tree, small: Tree, intermediate: str) -> Layout:
    """Return what both models say alike, each width by the name of its size.

    Raises:
        NoPlainDecoderError: they have other layers, or a width is of no size.
    """

    def named(parts: Sequence[Any]) -> list[Any]:
        return [(part[0], part[3]) if len(part) > 2 else part[0] for part in parts]

    def pairs(ours: Sequence[Any], theirs: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        if named(ours) != named(theirs):
            raise NoPlainDecoderError(
                f"it has other layers than a small model of its family, {len(ours)} to"
                f" {len(theirs)}"
            )
        return zip(ours, theirs, strict=True)

    def size(name: str, at_whole: int, at_small: int) -> Size:
        for item, width in whole.sizes.items():
            if width == at_whole and small.sizes[item] == at_small:
                return item
        raise NoPlainDecoderError(f"{name} has the width {at_whole:,}, which follows from no size")

    if (whole.blocks, whole.embedding, whole.head) != (small.blocks, small.embedding, small.head):
        raise NoPlainDecoderError("a small model of its family has other names")
    return Layout(
        library="",
        blocks=whole.blocks,
        parts=tuple(
            Part(name=a[0], takes=size(a[0], a[1], b[1]), gives=size(a[0], a[2], b[2]), bias=a[3])
            for a, b in pairs(whole.block.linears, small.block.linears)
        ),
        others=tuple(size(*a, b[1]) for a, b in pairs(whole.block.others, small.block.others)),
        outside=tuple(size(*a, b[1]) for a, b in pairs(whole.outside, small.outside)),
        embedding=whole.embedding,
        head=whole.head,
        intermediate=intermediate,
    )


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
    """Read the config.json that is named first and write what is found to the second."""
    _hold_back()
    import transformers

    values = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    transformers.logging.set_verbosity_error()
    try:
        found = read(values, f"transformers {transformers.__version__}")
    except NoPlainDecoderError as error:
        sys.exit(str(error))
    except Exception as error:  # whatever a library says of a stranger's file
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split())[:200])
    Path(sys.argv[2]).write_text(pretty_json(found), "utf-8")


if __name__ == "__main__":
    main()
