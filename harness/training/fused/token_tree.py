"""A packed batch as a tree of tokens, which a GPU makes its mask of; see `packing`.

Each distinct token has a parent, the token before it. Walked through from the roots, children in
order of appearance, every token gets the number `first` of its turn, and `last`, the number after
all that descend from it. A token sees itself and what it descends from:

    j is seen by i   if and only if   first[j] <= first[i] < last[j]

The two examples of `packing`, 1 2 3 4 5 and 1 2 3 7:

    packed place   0  1  2  3  4  5
    ids            1  2  3  4  5  7
    parent         -  0  1  2  3  2
    first          0  1  2  3  4  5
    last           6  6  6  5  5  6      the 5 in place 4 does not see the 7, nor the 7 the 4 5
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.training.rows.examples import Example

TOKENS_STEP = 64
"""A batch is filled up to a multiple of so many tokens, so that few sizes occur."""

TARGETS_STEP = 64
"""Its targets to a multiple of so many."""

IGNORED = -100
"""Target of what only fills up. Source: torch `cross_entropy`, `ignore_index`."""


@dataclass(frozen=True, slots=True)
class TokenTree:
    """A batch as one table of numbers, filled up; T tokens and N targets in all."""

    table: torch.Tensor
    """(4 T + 2 N,) int64 on the CPU: ids, positions, first and last of the tokens, then the tokens
    that predict, then their targets."""
    tokens: int
    """T."""
    targets: int
    """N."""

    def parts(self, table: torch.Tensor) -> list[torch.Tensor]:
        """Return ids, positions, first, last, predicting and targets of a copy of the table."""
        sizes = [self.tokens] * 4 + [self.targets] * 2
        return list(torch.split(table, sizes))


def token_tree(batch: Sequence[Example]) -> TokenTree:
    """Return a batch as a tree; the last token of an example is a target only."""
    known: dict[tuple[int, int], int] = {}
    ids: list[int] = []
    positions: list[int] = []
    parents: list[int] = []
    predicting: list[int] = []
    targets: list[int] = []
    for example in batch:
        parent = -1
        path: list[int] = []
        for position, token in enumerate(example.ids[:-1]):
            place = known.setdefault((parent, token), len(ids))
            if place == len(ids):
                ids.append(token)
                positions.append(position)
                parents.append(parent)
            parent = place
            path.append(place)
        predicting += path[example.response_start - 1 :]
        targets += example.ids[example.response_start :]
    # A parent stands before its children, so one walk back adds up and one forth numbers.
    sizes = [1] * len(ids)
    for place in range(len(ids) - 1, -1, -1):
        if parents[place] >= 0:
            sizes[parents[place]] += sizes[place]
    first = [0] * len(ids)
    following = 0
    free = [0] * len(ids)
    for place, parent in enumerate(parents):
        if parent < 0:
            first[place], following = following, following + sizes[place]
        else:
            first[place] = free[parent]
            free[parent] += sizes[place]
        free[place] = first[place] + 1
    last = [start + size for start, size in zip(first, sizes, strict=True)]
    # What fills up sees itself alone.
    more = -len(ids) % TOKENS_STEP
    first += range(len(ids), len(ids) + more)
    last += range(len(ids) + 1, len(ids) + more + 1)
    columns = [ids + [0] * more, positions + [0] * more, first, last]
    less = -len(targets) % TARGETS_STEP
    columns += [predicting + [0] * less, targets + [IGNORED] * less]
    table = torch.tensor([value for column in columns for value in column])
    return TokenTree(table, len(first), len(columns[-1]))
