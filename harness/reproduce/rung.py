"""A rung of the verification ladder, written by the repetition that earned it."""

from __future__ import annotations

import platform
from pathlib import Path

from harness.document import parse_json, pretty_json, read_text, sha256_text, write_atomic
from harness.errors import RecordError
from harness.record.file_names import LADDER, MANIFEST
from harness.record.ladder import Evidence, Rung, parse_ladder
from harness.reproduce.comparison import Reproduction
from harness.verify.read_submission import seal


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
    text = pretty_json(evidence.model_dump(mode="json"))
    path = folder / "evidence" / f"{level}.json"
    ladder = folder / LADDER
    rungs = parse_ladder(_read(ladder), str(ladder))
    rung = Rung(level=level, date=found.date, command=command, digest=sha256_text(text))
    kept = [item for item in rungs if item.level != level]
    write_atomic(path, text)
    write_atomic(ladder, pretty_json([item.model_dump(mode="json") for item in [*kept, rung]]))
    if (folder / MANIFEST).is_file():
        seal(folder)
    return path


def _read(path: Path) -> object:
    return parse_json(read_text(path), str(path)) if path.is_file() else []


def _is_named(what: str) -> bool:
    """Whether the ladder knows an item by this name: `round K` or a task."""
    return " " not in what or (what.startswith("round ") and what.count(" ") == 1)
