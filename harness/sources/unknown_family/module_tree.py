"""What a model of transformers holds, block by block, and the Layout that two of them agree on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.components.families import Size
from harness.components.layout import Layout, Part

EXPERTS = re.compile("expert|router", re.IGNORECASE)
"""What a mixture of experts has in its names."""

POSITIONS = re.compile("position|wpe")
"""What learned positions have."""

NUMBER = re.compile(r"\.[0-9]+\.")
"""A place in a list, in a path."""

CONV1D = "Conv1D"
"""GPT-2's layers in transformers, whose weights lie the other way round than a linear layer's."""


class NoPlainDecoderError(Exception):
    """A model is not what a Layout can say."""


@dataclass(frozen=True, slots=True)
class Block:
    """What one decoder block holds."""

    linears: tuple[tuple[str, int, int, bool], ...]
    """(path inside the block, width in, width out, whether it has a bias), in module order."""
    others: tuple[tuple[str, int], ...]
    """(path inside the block, width) of every other weight; those of one list are one, together."""


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


def tree_of(model: Any, sizes: Mapping[Size, int]) -> Tree:
    """Return what a model holds.

    Raises:
        NoPlainDecoderError: its blocks differ, or it has weights that are neither linear layers nor
            of one dimension.
    """
    from torch import nn

    layers = model.config.num_hidden_layers
    lists = {
        name: list(module.modules())
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == layers
    }
    linear = [name for name in lists if any(isinstance(item, nn.Linear) for item in lists[name])]
    if not linear:
        kinds = {type(item).__name__ for items in lists.values() for item in items}
        other = f", their layers are of kind {CONV1D}" if CONV1D in kinds else ""
        raise NoPlainDecoderError(f"no list of {layers} blocks with linear layers is in it{other}")
    blocks = linear[0]
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
            positions = ", as learned positions do" if POSITIONS.search(name) else ""
            raise NoPlainDecoderError(
                f"{name} lies beside its blocks, {list(weight.shape)}{positions}"
            )
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
    others: dict[str, int] = {}
    for name, weight in module.named_parameters():
        owner = name.rpartition(".")[0]
        if owner in linears:
            continue
        kind = type(module.get_submodule(owner)).__name__
        if weight.ndim != 1 and not (weight.ndim == 2 and kind.endswith("Norm")):
            experts = ", as in a mixture of experts" if EXPERTS.search(f"{name} {kind}") else ""
            raise NoPlainDecoderError(
                f"{name} of a block, {list(weight.shape)}, is a weight of {kind} and not of a"
                f" linear layer{experts}"
            )
        # A norm of each head, as one table (Cohere) or one by one (StableLM), has all heads' width.
        whole = NUMBER.sub(".*.", name)
        others[whole] = others.get(whole, 0) + weight.numel()
    return Block(
        tuple(
            (name, item.in_features, item.out_features, item.bias is not None)
            for name, item in linears.items()
        ),
        tuple(others.items()),
    )


def layout_of(whole: Tree, small: Tree, intermediate: str) -> Layout:
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
        raise NoPlainDecoderError(
            f"{name} has the width {at_whole:,}, which follows from none of hidden size, heads,"
            " head_dim, kv heads, MLP and vocabulary"
        )

    if (whole.blocks, whole.embedding, whole.head) != (small.blocks, small.embedding, small.head):
        raise NoPlainDecoderError("a small model of its family has other names")
    return Layout(
        library="",
        blocks=whole.blocks,
        parts=tuple(
            Part(name=a[0], takes=size(a[0], a[1], b[1]), gives=size(a[0], a[2], b[2]), bias=a[3])
            for a, b in pairs(whole.block.linears, small.block.linears)
        ),
        others=tuple(
            size(a[0], a[1], b[1]) for a, b in pairs(whole.block.others, small.block.others)
        ),
        outside=tuple(size(a[0], a[1], b[1]) for a, b in pairs(whole.outside, small.outside)),
        embedding=whole.embedding,
        head=whole.head,
        intermediate=intermediate,
    )
