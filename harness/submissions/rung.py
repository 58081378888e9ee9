"""A rung of the verification ladder, written into a submission's folder with what proves it."""

from __future__ import annotations

from pathlib import Path

from harness.document import parse_json, pretty_json, read_text, sha256_text, write_atomic
from harness.record.file_names import LADDER, MANIFEST
from harness.record.ladder import Evidence, Rung, parse_ladder
from harness.verify.read_submission import seal


def write_evidence(folder: Path, evidence: Evidence) -> Path:
    """Write evidence and its line of `ladder.json`; a rung of the same level is replaced.

    Args:
        folder: the submission, whose manifest is written anew where it has one.
        evidence: what a repeating command found.

    Returns:
        The evidence file.

    Raises:
        RecordError: the folder's `ladder.json` is none.
    """
    text = pretty_json(evidence.model_dump(mode="json"))
    path = folder / "evidence" / f"{evidence.level}.json"
    ladder = folder / LADDER
    value = parse_json(read_text(ladder), str(ladder)) if ladder.is_file() else []
    rung = Rung(
        level=evidence.level,
        date=evidence.date,
        command=evidence.command,
        digest=sha256_text(text),
    )
    kept = [item for item in parse_ladder(value, str(ladder)) if item.level != evidence.level]
    write_atomic(path, text)
    write_atomic(ladder, pretty_json([item.model_dump(mode="json") for item in [*kept, rung]]))
    if (folder / MANIFEST).is_file():
        seal(folder)
    return path
