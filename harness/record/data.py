"""The record of the data and models that were used, by digest."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.document import Document


class DataRecord(Document):
    """One data set or model as it was used."""

    name: str
    kind: Literal["training", "evaluation", "model", "adapter"]
    source: Literal["mirror", "cache", "hub", "wheel", "synthetic"]
    revision: str
    rows: int | None = None
    bytes: int | None = Field(None, ge=1, exclude_if=lambda size: size is None)
    """Of an adapter that the run started from."""
    sha256: str
    """Of the one file, or of the sorted `name:sha256` lines of several."""
    files: dict[str, str] = Field({}, max_length=10_000)
    partition_rows: tuple[int, ...] | None = Field(
        None, fail_fast=True, max_length=10_000, exclude_if=lambda rows: rows is None
    )
    """Training data of an open run: the rows of each partition, in order of partitions."""
    notes: tuple[str, ...] = Field((), fail_fast=True)
    """Why this is not what the challenge pins, one sentence each; empty when it is."""
