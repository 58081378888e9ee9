"""A batch as one sequence without padding, in which a prefix that examples share occurs once.

In a causal model a token's hidden state depends on the tokens before it and on nothing else. So
examples that begin with the same tokens have the same states there, and one copy serves all. The
prompts of an instruction set begin alike: of 1,984 places of a padded finance batch, 1,318 hold a
token and 616 hold one that no earlier example of the batch has already brought.

For the attention the tokens are cut into blocks. A block's queries are up to `BLOCK` tokens that
follow one another; its keys are everything before them in their example, and they themselves.

Two examples walked through, with blocks of 2 instead of 32:

    example 0: token ids 1 2 3 4 5 6, loss from the fifth on; its 6 is a target only
    example 1: token ids 1 2 3 7 8,   loss from the fifth on; its 8 is a target only

    packed place    0  1  2  3  4  5
    ids             1  2  3  4  5  7       example 1 brings the 7 alone: 1 2 3 are there
    positions       0  1  2  3  4  3       the 7 is the fourth of its example, not the sixth
    predicting, targets   3 -> 5, 4 -> 6, 5 -> 8

    block   queries   keys         what the queries see of the keys
    0       0 1       0 1 1 1 1    0 sees one, 1 sees two; the rest fills up to the longest example
    1       2 3       0 1 2 3 3    2 sees three, 3 sees four
    2       4 4       0 1 2 3 4    the second 4 fills up the block, and nobody collects it
    3       5 5       0 1 2 5 5    5 sees 0 1 2 5: example 1, with nothing of 4 or 5 of example 0
    collect   0 1 2 3 4 6          places of tokens 0 to 5 in the queries, 0 1 2 3 4 4 5 5

Key j of a block is the token at position j of the example, so one comparison hides what comes after
a query and what only fills up: key j is seen from positions j on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.training.rows.examples import Example

BLOCK = 32
"""Queries of a block. Measured: 16 and 64 are slower, a whole padded batch takes twice as long."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch as the model is given it.

    Below, T is the number of distinct tokens, R of blocks, N of targets; L is the length of the
    longest example without its last token.
    """

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

    Args:
        batch: one example or more.
        device: "cpu" or "cuda".
    """
    # A token is known by what precedes it, not by its id alone: (place of the token before, id).
    # The same id after another beginning is another token, with another hidden state.
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
        # Blocks begin where the shared beginning ends, so no token is a query of two blocks. An
        # example that is shared to its end has no block; its targets are counted all the same.
        blocks += [(path[: s + BLOCK], s) for s in range(shared, len(path), BLOCK)]
        first = example.response_start
        # The token before the first trained one predicts it.
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
