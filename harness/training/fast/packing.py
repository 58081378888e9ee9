"""A batch as one sequence without padding, in which a prefix that examples share occurs once.

In a causal model a token's hidden state depends on the tokens before it and on nothing else. So
examples that begin with the same tokens have the same states there, and one copy serves all. The
prompts of an instruction set begin alike: of 1,984 places of a padded finance batch, 1,318 hold a
token and 616 hold one that no earlier example of the batch has already brought.

For the attention the tokens are cut into blocks. A block's queries are up to `BLOCK` tokens that
follow one another; its keys are everything before them in their example, and they themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.training.examples import Example

BLOCK = 32
"""Queries of a block. Measured: 16 and 64 are slower, a whole padded batch takes twice as long."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One batch. T: distinct tokens; R: blocks; L: longest example, without its last token."""

    ids: torch.Tensor
    """(1, T) int64."""
    positions: torch.Tensor
    """(1, T) int64: each token's position in its example."""
    queries: torch.Tensor
    """(R * BLOCK,) int64: token of each query; a short block repeats its last token."""
    keys: torch.Tensor
    """(R * L,) int64: token of each key; a short block repeats its last token."""
    mask: torch.Tensor
    """(R, 1, BLOCK, L) float32: 0 where a query may look, minus infinity elsewhere."""
    collect: torch.Tensor
    """(T,) int64: the query of each token."""
    predicting: torch.Tensor
    """(N,) int64: the tokens whose next token is trained on."""
    targets: torch.Tensor
    """(N,) int64: those next tokens."""


def pack(batch: Sequence[Example], device: str) -> Packed:
    """Pack a batch.

    The last token of an example is a target only: nothing is computed for it.
    """
    known: dict[tuple[int, int], int] = {}
    ids: list[int] = []
    positions: list[int] = []
    predicting: list[int] = []
    targets: list[int] = []
    blocks: list[tuple[list[int], int]] = []
    for example in batch:
        path: list[int] = []
        parent = -1
        shared = 0
        for position, token in enumerate(example.ids[:-1]):
            parent = known.setdefault((parent, token), len(ids))
            if parent == len(ids):
                ids.append(token)
                positions.append(position)
            else:
                shared = position + 1
            path.append(parent)
        blocks += [(path[: s + BLOCK], s) for s in range(shared, len(path), BLOCK)]
        first = example.response_start
        predicting += path[first - 1 :]
        targets += example.ids[first:]

    length = max(len(path) for path, _ in blocks)
    queries: list[int] = []
    keys: list[int] = []
    collect = [0] * len(ids)
    for path, start in blocks:
        for token in path[start:]:
            collect[token] = len(queries)
            queries.append(token)
        queries += [path[-1]] * (-len(queries) % BLOCK)
        keys += path + [path[-1]] * (length - len(path))

    def tensor(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.int64, device=device)

    place, asked = tensor(positions), tensor(queries)
    hidden = torch.arange(length, device=device) > place[asked].view(-1, 1, BLOCK, 1)
    mask = torch.zeros(hidden.shape, device=device).masked_fill_(hidden, float("-inf"))
    return Packed(
        ids=tensor(ids)[None],
        positions=place[None],
        queries=asked,
        keys=tensor(keys),
        mask=mask,
        collect=tensor(collect),
        predicting=tensor(predicting),
        targets=tensor(targets),
    )
