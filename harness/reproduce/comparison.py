"""What a repetition found: item by item, equal or not, and by how much not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.document import Document
from harness.record.federation import RoundRecord
from harness.record.ladder import Level
from harness.record.score import Score

if TYPE_CHECKING:
    import numpy as np


class Comparison(Document):
    """One item that was compared."""

    what: str
    equal: bool
    found: str
    expected: str
    difference: float | None = None
    """Relative: |found - expected| / |expected|; for tensors the largest of any, in L2. None where
    nothing but digests is at hand."""

    @classmethod
    def of(cls, what: str, found: str, expected: str) -> Self:
        """Compare two texts, digests for example."""
        return cls(what=what, equal=found == expected, found=found, expected=expected)

    @classmethod
    def of_numbers(cls, what: str, found: float, expected: float) -> Self:
        """Compare two numbers."""
        gap = abs(found - expected) / (abs(expected) or 1.0)
        return cls(
            what=what,
            equal=found == expected,
            found=repr(found),
            expected=repr(expected),
            difference=gap,
        )


class Reproduction(Document):
    """A repetition and its verdict."""

    level: Level | None
    """Rung of the verification ladder that an equal repetition earns; None for one client."""
    scope: str
    """What was repeated, and from where."""
    date: str
    """UTC, ISO 8601."""
    spec_digest: str
    items: tuple[Comparison, ...]
    tolerance: float
    """The challenge's `replay_tolerance`."""
    packages: dict[str, str]
    other_versions: tuple[str, ...]
    """Packages whose version is not the recorded one."""

    @property
    def equal(self) -> bool:
        """Whether everything is equal, byte for byte."""
        return all(item.equal for item in self.items)

    @property
    def within_tolerance(self) -> bool:
        """Whether every tensor that could be compared is within the challenge's tolerance.

        False when there was nothing but digests to compare: a digest has no distance.
        """
        gap = self.largest_difference
        return gap is not None and gap <= self.tolerance

    @property
    def largest_difference(self) -> float | None:
        """The largest difference of a tensor that could be compared; None when there was none."""
        tensors = [item for item in self.items if item.what.startswith("adapter of round")]
        return max((t.difference for t in tensors if t.difference is not None), default=None)

    def lines(self) -> list[str]:
        """Return the report for people."""
        differing = [item for item in self.items if not item.equal]
        equal = f"{len(self.items) - len(differing)} of {len(self.items)} items are equal"
        text = [f"{self.scope}: {equal}"]
        for item in differing:
            gap = "" if item.difference is None else f" (relative difference {item.difference:.3g})"
            text.append(f"differs: {item.what}: {item.found}, recorded {item.expected}{gap}")
        if not differing:
            text.append("reproduced byte for byte")
        elif self.within_tolerance:
            text.append(f"not equal, but within the challenge's tolerance of {self.tolerance:g}")
        text += [f"other version: {difference}" for difference in self.other_versions]
        return text


def equal_items(before: RoundRecord, after: RoundRecord) -> list[Comparison]:
    """Compare a round with its repetition, from its partitions to its digest."""
    name = f"round {before.round}"
    items = [
        Comparison.of(
            f"{name} partitions", str(list(after.partitions)), str(list(before.partitions))
        )
    ]
    for one, two in zip(before.clients, after.clients, strict=False):
        label = f"{name} partition {one.partition} update"
        items.append(Comparison.of(label, two.update_sha256, one.update_sha256))
    items += [
        Comparison.of_numbers(f"{name} loss", after.train_loss, before.train_loss),
        Comparison.of_numbers(f"{name} learning rate", after.learning_rate, before.learning_rate),
        Comparison.of(f"{name} bytes down", str(after.bytes_down), str(before.bytes_down)),
        Comparison.of(f"{name} bytes up", str(after.bytes_up), str(before.bytes_up)),
        Comparison.of(name, after.aggregate_sha256, before.aggregate_sha256),
        Comparison.of(f"{name} chain", chained_as(before, after), before.digest),
    ]
    return items


def chained_as(before: RoundRecord, after: RoundRecord) -> str:
    """Return the digest of a repeated round in the form that the recorded one was chained in.

    A harness of before measured less of a round: what it did not know is left out, and the round
    before is named as it is recorded, since that one was compared by itself.
    """
    if before.dependence is not None or after.dependence is None:
        return after.digest
    same_form = after.with_values(dependence=None, previous_digest=before.previous_digest)
    return same_form.chain_digest()


def compare_tensors(what: str, found: Path, expected: Path | None) -> list[Comparison]:
    """Compare two files of the same adapter; nothing when the original was not kept."""
    if expected is None or not found.is_file():
        return []
    import numpy as np

    from harness.federation.wire.tensors import digest_arrays

    ours, theirs = adapter_of(found), adapter_of(expected)
    gaps = [
        float(np.linalg.norm(ours[name] - theirs[name]) / (np.linalg.norm(theirs[name]) or 1.0))
        for name in theirs
        if name in ours and ours[name].shape == theirs[name].shape
    ]
    comparison = Comparison.of(what, digest_arrays(ours), digest_arrays(theirs))
    return [comparison.with_values(difference=max(gaps, default=0.0))]


def adapter_of(path: Path) -> dict[str, np.ndarray]:
    """Return the adapter's tensors of a checkpoint or of an adapter file."""
    from safetensors.numpy import load_file

    from harness.federation.storage.checkpoint import ADAPTER_PREFIX, STATE_PREFIX

    stored = load_file(path)
    return {
        name.removeprefix(ADAPTER_PREFIX): array
        for name, array in stored.items()
        if not name.startswith(STATE_PREFIX)
    }


NO_SCORE = "no score"


def compare_score(expected: Score, again: Sequence[Score]) -> Comparison:
    """Compare a recorded score with the one of the same task and measure among `again`."""
    wanted = (expected.task, expected.metric)
    found = next((item for item in again if (item.task, item.metric) == wanted), None)
    text = f"{found.correct}/{found.examples}" if found else NO_SCORE
    name = expected.task
    if expected.metric != "accuracy":
        name = f"{expected.task} {expected.metric}"
    return Comparison.of(name, text, f"{expected.correct}/{expected.examples}")
