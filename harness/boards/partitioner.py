"""Partitioners: how the training set is split over the supernodes.

A challenge fixes the first one. The others are flwr-datasets' too, and for the open division alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.document import Document


class Partitioner(Document):
    """How a challenge splits its training set over the supernodes."""

    kind: Literal["iid"]
    """flwr-datasets' IidPartitioner: contiguous shards of the shuffled set."""
    shuffle_seed: int
    """Seed of FederatedDataset's shuffle before the split."""


class OpenPartitioner(Document):
    """How a run of the open division splits the training set over the supernodes.

    Each kind is flwr-datasets' partitioner of that name, with the defaults of its other arguments.
    """

    kind: Literal["dirichlet", "pathological", "shard", "linear", "square", "exponential"]
    """`dirichlet`, `pathological` and `shard` split by the label in the column `by`; `linear`,
    `square` and `exponential` give partition i a size that grows with i + 1 so."""
    shuffle_seed: int
    """Seed of FederatedDataset's shuffle before the split, and of the partitioner's own draws."""
    by: str = "output"
    """Column whose text is the label."""
    alpha: float = Field(0.5, gt=0)
    """`dirichlet`: concentration; small: few labels a partition, large: nearly IID."""
    classes: int = Field(2, ge=1)
    """`pathological`: labels of one partition."""
    shards: int = Field(2, ge=1)
    """`shard`: shards of one partition, each of rows that are sorted by label."""
