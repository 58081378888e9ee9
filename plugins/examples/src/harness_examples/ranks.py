"""Ranks: some clients are large and train the whole adapter, the others a part of it."""

from __future__ import annotations

import random

from pydantic import Field

from harness import hookimpl
from harness.components import ClientRanks, Extension, RankContext
from harness.document import Document
from harness.recipe import Choice, Extensions, Recipe
from harness_examples.recipe import changed


class SmallAndLarge(Document):
    """Parameters of the ranks."""

    small: int = Field(2, ge=1)
    """Rank of a small client, at most the adapter's."""
    share: float = Field(0.5, ge=0, le=1)
    """Share of the clients that are small."""


def rank(partition: int, context: RankContext, params: SmallAndLarge) -> int:
    """Return a client's rank, drawn once for the run.

    Source: https://arxiv.org/abs/2401.06432 (HetLoRA), whose clients truncate what they receive.
    """
    small = random.Random(f"{context.seed} {partition}").random() < params.share
    return min(params.small, context.r) if small else context.r


@hookimpl
def harness_extensions() -> list[Extension]:
    """Return one assignment of ranks."""
    return [ClientRanks("small-and-large", SmallAndLarge, rank, paper="2401.06432")]


@hookimpl
def harness_recipes() -> list[Recipe]:
    """Return HetLoRA's padding with FedAvg, and FlexLoRA with the ranks of its clients."""
    ranks = Extensions(ranks=Choice(name="small-and-large"))
    return [
        changed("hetlora", "LoRA, clients of two ranks, zero-padded mean", ranks, default=True),
        changed("flexlora", "FlexLoRA with clients of two ranks", ranks, strategy="flexlora"),
    ]
