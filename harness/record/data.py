"""The record of the data and models that were used, by digest."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.document import Document


class DataRecord(Document):
    """One data set or model as it was used."""

    name: str
    kind: Literal["training", "evaluation", "model"]
    source: Literal["mirror", "cache", "hub", "wheel", "synthetic"]
    revision: str
    rows: int | None = None
    sha256: str
    """Of the one file, or of the sorted `name:sha256` lines of several."""
    files: dict[str, str] = Field({}, max_length=10_000)
    notes: tuple[str, ...] = Field((), fail_fast=True)
    """Why this is not what the challenge pins, one sentence each; empty when it is."""
