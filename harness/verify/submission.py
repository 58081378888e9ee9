"""What rules look at: one record with everything that came with it, parsed and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge
from harness.boards.protocol import BoardProtocol, Reading
from harness.document import canonical_json
from harness.record.about import About
from harness.record.ladder import Evidence, Rung
from harness.record.result import ResultRecord
from harness.record.score import Score
from harness.verify.files.adapter_weights import AdapterWeights
from harness.verify.files.generations import Generations
from harness.verify.official import reader_of_answers

EXECUTED_AGAIN = {"rescored", "re-evaluated", "re-run"}
"""Levels whose evidence says that every program of an entry was executed again."""


@dataclass(frozen=True)
class Submission:
    """A record under check, alone or with the files beside it.

    Each file was opened and read once: the digests are of the very bytes that the other fields were
    parsed from, and no rule opens a file again.
    """

    name: str
    """How findings call it."""
    record: ResultRecord
    raw: Mapping[str, Any]
    """The record as it stands in its file: what digests were taken over, whatever fields a newer
    schema has gained since."""
    challenge: Challenge
    """The harness's own copy of the challenge that the record names."""
    folder: Path | None = None
    """The submission or run directory, as an absolute path without links; None when only a record
    was given."""
    filed: tuple[str, ...] | None = None
    """Folders from `submissions/` to `folder`; see `Target.filed`."""
    is_submission: bool = False
    """Whether `folder` has the form that `harness submit` writes."""
    digests: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """File -> (bytes, sha256) of everything in the folder that was read."""
    refused: frozenset[str] = frozenset()
    """Files that were not read because a rule on files objected."""
    generations: Mapping[str, Generations] = field(default_factory=dict)
    """By task, `<task>.loglikelihood` for the second measure."""
    adapter_config: Mapping[str, Any] | None = None
    adapter_weights: AdapterWeights | None = None
    manifest: Mapping[str, tuple[int, str]] | None = None
    """File -> (bytes, sha256), as `manifest.json` says."""
    row_bits: Mapping[str, str] | None = None
    """Task -> `1` for a row answered right, else `0`; from `rows.json`."""
    ladder: tuple[Rung, ...] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """By level."""
    about: About | None = None
    card: str | None = None
    stages: Mapping[str, Any] = field(default_factory=dict)
    """Of a run directory: file -> what a stage of the run wrote and its record repeats."""
    loss_plot_fault: str | None = None
    """Why `loss.png` is no small PNG; None when it is one, or is not there."""

    @cached_property
    def protocol(self) -> BoardProtocol:
        """What reads the board's answers."""
        return reader_of_answers(self.challenge)

    @cached_property
    def canonical(self) -> str:
        """The record's file as canonical JSON."""
        return canonical_json(self.raw)

    @cached_property
    def memo(self) -> dict[Any, Any]:
        """What rules work out once of a submission and ask for again, under keys of their own."""
        return {}

    @cached_property
    def readings(self) -> Mapping[str, Mapping[tuple[str, str], Reading]]:
        """Name of generations -> (target, raw output) -> what the official parser reads in it.

        An output that occurs again is read once: many rows are answered in the same words.
        """
        return {
            name: {
                (target, output): self.protocol.read(name.partition(".")[0], output, target)
                for target, _, output in item.counts
                if output is not None
            }
            for name, item in self.generations.items()
        }

    @property
    def is_folder(self) -> bool:
        """Whether files beside the record were looked at."""
        return self.folder is not None

    @property
    def withdrawal(self) -> str:
        """The sentence that it was withdrawn, when and why; empty for one that was not."""
        return "" if self.about is None else self.about.withdrawal

    @property
    def ineligible_because(self) -> tuple[str, ...]:
        """Every reason why it may not rank: that it was withdrawn, and those of its record."""
        return (*filter(None, [self.withdrawal]), *self.record.ineligible_because)

    @property
    def answers_known(self) -> bool:
        """Whether the answers follow from the outputs, or evidence says that they were executed or
        made again."""
        return self.protocol.rederivable or bool(EXECUTED_AGAIN & self.evidence.keys())

    @property
    def official(self) -> dict[str, Score]:
        """Task -> its official score, the first of each task."""
        scores: dict[str, Score] = {}
        for score in self.record.scores:
            if score.metric == "accuracy":
                scores.setdefault(score.task, score)
        return scores
