"""The open division: a run that changes what its challenge fixes, says so, and ranks nowhere.

What is changed stands in the spec, as data. The rules that such a run follows are the board's own
with those values in place, so that whoever holds the record has them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from harness.boards.challenge import Challenge
from harness.boards.partitioner import OpenPartitioner, Partitioner
from harness.document import Document, explain
from harness.errors import UsageError

Division = Literal["closed", "open"]

OPEN = "-open"
"""What the name of a board's folder for the open division ends with, after the board's id."""

HUB_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$"

MOST_SUPERNODES = 10_000


class OpenRules(Document):
    """What a run of the open division changes of its challenge; what is None stays as it is."""

    num_supernodes: int | None = Field(
        None, ge=2, le=MOST_SUPERNODES, exclude_if=lambda value: value is None
    )
    partitioner: dict[str, str | int | float] | None = Field(
        None, max_length=10, exclude_if=lambda value: value is None
    )
    """`kind`, and what that kind takes: see `OpenPartitioner`. `iid` is the challenge's own."""
    dataset: str | None = Field(None, pattern=HUB_ID, exclude_if=lambda value: value is None)
    """`organisation/name` of other training data, in a mirror `datasets/organisation/name/` with
    one parquet file of the challenge's columns."""

    def described(self) -> str:
        """Return the changes in words, "nothing" where there are none."""
        values = self.model_dump(mode="json")
        words = [
            f"{key}={_words(value) if isinstance(value, dict) else value}"
            for key, value in values.items()
        ]
        return ", ".join(words) or "nothing"


def _words(values: Mapping[str, Any]) -> str:
    others = ", ".join(f"{key}={value}" for key, value in values.items() if key != "kind")
    return f"{values.get('kind')}({others})" if others else str(values.get("kind"))


def opened(challenge: Challenge, rules: OpenRules | None) -> Challenge:
    """Return the rules that a run follows: the board's, with what the open division changes.

    Args:
        challenge: the board's own.
        rules: what is changed; None in the closed division.

    Raises:
        UsageError: the partitioner is none, or takes no such value.
    """
    if rules is None:
        return challenge
    changes: dict[str, Any] = {}
    if rules.num_supernodes is not None:
        changes["num_supernodes"] = rules.num_supernodes
    if rules.partitioner is not None:
        changes["partitioner"] = _partitioner(challenge, rules.partitioner)
    if rules.dataset is not None:
        changes["dataset"] = challenge.dataset.model_copy(update={"name": rules.dataset})
    return challenge.model_copy(update=changes)


def _partitioner(
    challenge: Challenge, given: Mapping[str, str | int | float]
) -> Partitioner | OpenPartitioner:
    seed = challenge.partitioner.shuffle_seed
    if "shuffle_seed" in given:
        raise UsageError(f"partitioner.shuffle_seed: {challenge.id}'s own is {seed}; leave it out")
    if "kind" not in given:
        first = next(iter(given), "kind")
        raise UsageError(f"partitioner.{first}: of which partitioner; set partitioner=... as well")
    kind = Partitioner if given["kind"] == "iid" else OpenPartitioner
    try:
        made = kind.model_validate({**given, "shuffle_seed": seed}, strict=True)
    except ValidationError as error:
        raise UsageError(f"partitioner {_words(given)}: {explain(error)}") from None
    if isinstance(made, OpenPartitioner) and made.by not in challenge.dataset.columns:
        raise UsageError(
            f"partitioner.by is {made.by!r}; expected a column of the training data:"
            f" {', '.join(challenge.dataset.columns)}"
        )
    return made


def filed_under(board_id: str, rules: OpenRules | None) -> str:
    """Return the folder of `submissions/` in which a run is filed: the board's, or its open one."""
    return board_id if rules is None else f"{board_id}{OPEN}"
