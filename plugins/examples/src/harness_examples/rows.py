"""Rows: a curriculum from short to long, and numbers that are masked in half of the rows."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from pydantic import Field

from harness import hookimpl
from harness.components import ClientRows, Extension, RowsContext
from harness.document import Document
from harness.recipe import Choice, Extensions, Recipe
from harness_examples.recipe import changed


class Curriculum(Document):
    """Parameters of the curriculum."""

    mixed_rounds: int = Field(1, ge=0)
    """Last rounds whose order is drawn at random."""


def short_first(
    rows: Sequence[Mapping[str, str]], context: RowsContext, params: Curriculum
) -> list[int]:
    """Return the rows from the shortest question to the longest; shuffled in the last rounds."""
    order = list(range(len(rows)))
    if context.round > context.rounds - params.mixed_rounds:
        random.Random(context.seed).shuffle(order)
        return order
    return sorted(order, key=lambda index: (len(rows[index]["input"]), index))


class Masking(Document):
    """Parameters of the masking."""

    share: float = Field(0.5, ge=0, le=1)
    """Share of the rows whose numbers are masked."""


def mask_numbers(
    row: Mapping[str, str], index: int, context: RowsContext, params: Masking
) -> dict[str, str]:
    """Return a row, in some of them with every number of its input replaced by a sign."""
    # A generator for each row: what one row draws does not depend on the rows before it.
    if random.Random(f"{context.seed} {index}").random() >= params.share:
        return dict(row)
    return {**row, "input": re.sub(r"[0-9]+(?:[.,][0-9]+)*", "#", row["input"])}


@hookimpl
def harness_extensions() -> list[Extension]:
    """Return an order and a rewriting."""
    return [
        ClientRows("curriculum", Curriculum, order=short_first),
        ClientRows("masked-numbers", Masking, rewrite=mask_numbers),
    ]


@hookimpl
def harness_recipes() -> list[Recipe]:
    """Return a recipe for each."""
    return [
        changed("curriculum", "LoRA, short rows first", Extensions(rows=Choice(name="curriculum")),
                default=True),
        changed("masked", "LoRA, numbers masked", Extensions(rows=Choice(name="masked-numbers"))),
    ]  # fmt: skip
