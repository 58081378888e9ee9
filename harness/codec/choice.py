"""A codec as a recipe chooses it: name, direction, and the one number that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from harness.document import Document

CodecName = Literal["float16", "bfloat16", "int8", "top-k", "low-rank"]
Way = Literal["down", "up"]

OF_CHANGES = ("top-k", "low-rank")
"""Codecs that are made for changes: of the weights themselves they would leave out most."""

NUMBER: dict[str, tuple[str, Any]] = {
    "int8": ("block", 256), "top-k": ("share", 0.1), "low-rank": ("rank", 4),
}  # fmt: skip
"""Codec -> the parameter that it has, and its default."""


def _unsaid(value: Any) -> bool:
    return value is None


class Codec(Document):
    """How the numbers of a run's messages travel.

    Up, a client sends its change of what it was sent, encoded; down, the server sends the values
    themselves, since a client may have missed the round before.
    """

    name: CodecName
    """float16, bfloat16: every number rounded; int8: whole numbers from -127 to 127 and one float32
    scale for each block; top-k: the largest changes and their places, where what is left out is
    added to the client's next change; low-rank: the best product of that rank of each matrix."""
    direction: Literal["both", "up", "down"]
    """Default: both; `top-k` and `low-rank` go up only."""
    block: int | None = Field(None, ge=8, le=65536, exclude_if=_unsaid)
    """int8: numbers that share a scale."""
    share: float | None = Field(None, gt=0, le=1, exclude_if=_unsaid)
    """top-k: share of each tensor's numbers that travels."""
    rank: int | None = Field(None, ge=1, exclude_if=_unsaid)
    """low-rank: of the product that stands for a matrix."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        name = given.get("name")
        found = {"direction": "up" if name in OF_CHANGES else "both", **given}
        if name in NUMBER:
            key, default = NUMBER[name]
            found = {key: default, **found}
        return found

    @model_validator(mode="after")
    def _fits(self) -> Self:
        own = NUMBER.get(self.name, ("", None))[0]
        for key in ("block", "share", "rank"):
            if (getattr(self, key) is not None) != (key == own):
                raise ValueError(f"{key} is no number of the codec {self.name}; leave it out")
        if self.name in OF_CHANGES and self.direction != "up":
            raise ValueError(
                f"{self.name} encodes changes, and a client may have missed the round that a change"
                " of the server's is from; direction is up"
            )
        return self

    def goes(self, way: Way) -> bool:
        """Return whether messages of one direction are encoded."""
        return self.direction in ("both", way)

    @property
    def feedback(self) -> bool:
        """Whether a client adds what was left out to its next change."""
        return self.name == "top-k"


def described(codec: Codec) -> str:
    """Return a codec in words: `int8, block 256, both ways`."""
    key = NUMBER.get(codec.name, ("", None))[0]
    number = f", {key} {getattr(codec, key)}" if key else ""
    ways = {"both": "both ways", "up": "from clients only", "down": "to clients only"}
    return f"{codec.name}{number}, {ways[codec.direction]}"
