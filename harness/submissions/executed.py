"""The programs of a submission were executed again: whether that earns its rung, and the rung."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.boards.protocols.programs import PASSED
from harness.errors import EvaluationError, UsageError
from harness.record.ladder import Evidence
from harness.submissions.rung import write_evidence
from harness.verify.read_submission import read_submission
from harness.verify.submission import Submission
from harness.verify.targets import find_targets


def refuse_to_write(folder: Path, board: str) -> Submission:
    """Return the submission whose rung is to be written; said before anything is executed.

    Args:
        folder: as it was typed.
        board: whose sets are executed.

    Raises:
        UsageError: no submission of that board lies there.
        RecordError: nothing lies there.
    """
    targets = list(find_targets(folder))
    found = read_submission(targets[0])[0] if len(targets) == 1 else None
    if found is None or found.folder is None or not found.is_submission:
        raise UsageError(
            f"{folder}: --write needs one submission, a folder that harness submit wrote"
        )
    if found.record.challenge.id != board:
        raise UsageError(
            f"{folder}: a submission to {found.record.challenge.id}, not to {board}; name its board"
        )
    return found


def write_executed(
    submission: Submission, results: Mapping[str, Mapping[str, Any]], command: str
) -> Path:
    """Write the rung of a submission whose programs gave the recorded verdicts again.

    Args:
        submission: as `refuse_to_write` returns it.
        results: set -> what `harness.scoring.execution.rescore_programs` returns.
        command: as it was typed.

    Returns:
        The evidence file.

    Raises:
        EvaluationError: a program passes where the record says that it does not, or the reverse;
            or a set was not executed.
    """
    assert submission.folder is not None
    differing = [
        words for task in submission.official for words in _differing(submission, task, results)
    ]
    if differing:
        raise EvaluationError(
            f"{submission.folder}: no rung is earned: {'; '.join(differing)}; where programs ran"
            " out of time execute again on an idle machine, else evaluate the run again"
        )
    evidence = Evidence(
        level="rescored",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        spec_digest=submission.record.spec_digest,
        adapter_sha256=submission.record.adapter.sha256,
        compared={
            task: f"{found['correct']}/{found['examples']}" for task, found in results.items()
        },
        packages=toolchains(results),
        device=platform.processor() or platform.machine(),
    )
    return write_evidence(submission.folder, evidence)


def toolchains(results: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return name -> version of what executed the programs of these sets."""
    pairs = (found["toolchain"].rpartition(" ") for found in results.values())
    return dict(sorted((name, version) for name, _, version in pairs))


def _differing(
    submission: Submission, task: str, results: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return in words which programs of a set passed otherwise than the record says."""
    if task not in results or task not in submission.generations:
        return [f"{task} was not executed"]
    stated = submission.generations[task].bits
    found = "".join(
        "1" if item["attempts"][-1]["outcome"] == PASSED else "0"
        for item in results[task]["verdicts"]
    )
    rows = [str(row) for row in range(len(stated)) if stated[row : row + 1] != found[row : row + 1]]
    if not rows and len(found) == len(stated):
        return []
    counts = f"{task}: {found.count('1')} of {len(found)} passed, {stated.count('1')} as recorded"
    return [f"{counts}, other verdicts in row {', '.join(rows[:5])}"]
