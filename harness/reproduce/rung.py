"""A rung of the verification ladder, written by the repetition that earned it."""

from __future__ import annotations

import platform
from pathlib import Path

from harness.errors import RecordError
from harness.record.ladder import Evidence
from harness.reproduce.comparison import Reproduction
from harness.submissions.rung import write_evidence


def write_rung(
    folder: Path, found: Reproduction, adapter_sha256: str, command: str, tolerated: bool
) -> Path:
    """Write the evidence of a repetition and its line of `ladder.json` into a submission folder.

    Args:
        folder: the submission; a rung of the same level is replaced.
        found: the repetition.
        adapter_sha256: of the record that was repeated.
        command: what was typed, beginning with `harness reproduce`.
        tolerated: whether the caller accepted the challenge's tolerance.

    Returns:
        The evidence file.

    Raises:
        RecordError: the repetition earned nothing.
    """
    level = found.level
    # Tensors may differ in their last digits on another machine; a count of rows may not.
    counts = [item for item in found.items if " " not in item.what and item.what != "adapter"]
    near = tolerated and found.within_tolerance and all(item.equal for item in counts)
    if level is None or not (found.equal or near):
        raise RecordError(
            f"{folder}: this repetition earns no rung; a whole evaluation, round or run must come"
            " out equal"
        )
    names = {"adapter"} | {item.what for item in found.items if _is_named(item.what)}
    evidence = Evidence(
        level=level,
        date=found.date,
        command=command,
        spec_digest=found.spec_digest,
        adapter_sha256=adapter_sha256,
        compared={item.what: item.found for item in found.items if item.what in names},
        packages=found.packages,
        device=platform.processor() or platform.machine(),
        tolerance=None if found.equal else found.tolerance,
        difference=None if found.equal else found.largest_difference,
    )
    return write_evidence(folder, evidence)


def _is_named(what: str) -> bool:
    """Whether the ladder knows an item by this name: `round K` or a task."""
    return " " not in what or (what.startswith("round ") and what.count(" ") == 1)
