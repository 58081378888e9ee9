"""A replication: arms, seeds and relations between what they measure, as data in TOML."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from harness.document import Document

MAX_RUNS = 1000
"""Arms times seeds; more is a mistake in the file, not a check that anybody waits for."""

Measure = Literal["loss", "bytes", "inexactness", "accuracy"]


class Relation(Document):
    """What a paper says of two arms, or of one."""

    says: str = Field(min_length=1)
    """The relation in words."""
    source: str = Field(min_length=1)
    """Where the paper says it: section, table, equation."""
    kind: Literal["order", "ratio", "exact"]
    """order: `left` is less than `right`; ratio: left / right is `value`; exact: `left` is 0."""
    measure: Measure
    """loss: after the last round; bytes: of all messages; inexactness: the largest distance of an
    aggregate's product from the mean of its clients' products, by the latter's size; accuracy: the
    average of a real run, a fraction."""
    left: str
    right: str | None = None
    value: float | None = None
    """Of a ratio."""
    tolerance: float = Field(0.0, ge=0)
    """Of a ratio, either way; of what is exact, from 0."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.right is None) is not (self.kind == "exact"):
            raise ValueError("order and ratio have a right side, what is exact has none")
        if (self.value is not None) is not (self.kind == "ratio"):
            raise ValueError("a ratio has a value, the other kinds have none")
        return self


class Replication(Document):
    """What a replication's file holds."""

    title: str
    paper: str
    """Address of the paper."""
    engine: Literal["small", "run"] = "small"
    """small: clients that fit low-rank matrices, in seconds; run: `harness run`, by `recipe`."""
    seeds: Annotated[tuple[int, ...], Field(min_length=2)]
    """Two at least: one run has no interval."""
    rounds: int = Field(8, ge=1, le=1000)
    """small: rounds of a run."""
    clients: int = Field(4, ge=2, le=50)
    """small: clients, all of which take part in each round."""
    steps: int = Field(10, ge=1, le=1000)
    """small: steps of a client in a round."""
    learning_rate: float = Field(0.05, gt=0)
    """small: of plain gradient descent."""
    skew: float = Field(1.0, ge=0)
    """small: length of what a client's matrix has of its own, by that of what all share."""
    recipe: str | None = None
    """run: `plugin/recipe`, or the path of a recipe's file beside this one."""
    challenge: str | None = None
    smoke: bool = False
    limit: int | None = Field(None, ge=1)
    settings: dict[str, Any] = {}
    """run: set in every arm, by the keys of `--set`."""
    arms: dict[str, dict[str, Any]] = Field(min_length=1)
    """Name -> what is set in it: `strategy` and `strategy.<parameter>`; of a real run any key."""
    relations: Annotated[tuple[Relation, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        for item in self.relations:
            for side in (item.left, item.right):
                if side is not None and side not in self.arms:
                    raise ValueError(f"{item.says!r} names the arm {side!r}, which is not there")
            wanted = {"inexactness": "small", "accuracy": "run"}.get(item.measure, self.engine)
            if wanted != self.engine:
                raise ValueError(f"{item.measure} is not measured by engine {self.engine!r}")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed is given twice; keep one")
        if len(self.arms) * len(self.seeds) > MAX_RUNS:
            raise ValueError(f"more than {MAX_RUNS} runs")
        if self.engine == "run" and self.recipe is None:
            raise ValueError("engine 'run' needs a recipe")
        return self
