"""What rules look at: one record with everything that came with it, parsed and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.boards.challenge import Challenge
from harness.boards.protocol import BoardProtocol
from harness.boards.registry import protocol_of
from harness.record.result import ResultRecord
from harness.record.score import Score
from harness.verify.files.generations import Generations

if TYPE_CHECKING:
    from harness.verify.rules.entry.ladder import Evidence, Rung


@dataclass(frozen=True)
class Subject:
    """A record under check."""

    name: str
    """How findings call it."""
    record: ResultRecord
    raw: Mapping[str, Any]
    """The record as it stands in its file: what digests were taken over, whatever fields a newer
    schema has gained since."""
    challenge: Challenge
    """The harness's own copy of the challenge that the record names."""
    folder: Path | None = None
    """The submission or run directory; None when only a record was given."""
    is_submission: bool = False
    """Whether `folder` has the form that `harness submit` writes."""
    generations: Mapping[str, Generations] = field(default_factory=dict)
    """By task; only those whose file was read."""
    adapter_config: Mapping[str, Any] | None = None
    digests: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """File -> (bytes, sha256) of everything in the folder."""
    refused: frozenset[str] = frozenset()
    """Files that were not read because a rule on files objected."""
    manifest: Mapping[str, tuple[int, str]] | None = None
    bits: Mapping[str, str] | None = None
    """Task -> `1` for a row answered right, else `0`; from `rows.json`."""
    ladder: tuple[Rung, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @cached_property
    def protocol(self) -> BoardProtocol:
        """What reads the board's answers."""
        return protocol_of(self.challenge)

    @property
    def is_folder(self) -> bool:
        """Whether files beside the record were looked at."""
        return self.folder is not None

    @property
    def official(self) -> dict[str, Score]:
        """Task -> its official score, the first of each task."""
        scores: dict[str, Score] = {}
        for score in self.record.scores:
            if score.metric == "accuracy":
                scores.setdefault(score.task, score)
        return scores
