"""Whether a result may stand on the leaderboard, and if not, why: in words, all reasons at once.

The same function decides when a run is composed and when a submission is verified.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.boards.challenge import Challenge
from harness.record.data import DataRecord
from harness.record.machine import Environment
from harness.spec import RunSpec


def exercise_because(spec: RunSpec) -> tuple[str, ...]:
    """Return why a run is an exercise, whose scores belong on no board; empty when it is none."""
    reasons: list[str] = []
    if spec.smoke:
        reasons.append("a smoke run: synthetic text, a small model and 2 short rounds")
    if spec.evaluation_rows is not None and spec.division == "closed":
        one = spec.evaluation_rows == 1
        first = "row of each set was" if one else f"{spec.evaluation_rows} rows of each set were"
        reasons.append(f"only the first {first} evaluated")
    return tuple(reasons)


def ineligible_because(
    spec: RunSpec, challenge: Challenge, data: Iterable[DataRecord], environment: Environment
) -> tuple[str, ...]:
    """Return every reason why a result of `spec` is not eligible; empty when it is.

    Args:
        spec: the run.
        challenge: the rules as they are now, of whatever revision.
        data: what the run read, each with its notes.
        environment: where it ran; a changed checkout counts.
    """
    reasons = list(exercise_because(spec))
    if spec.open is not None:
        reasons.append(f"a run of the open division, which changes {spec.open_changes}")
    if spec.model.trust_remote_code:
        reasons.append(f"{spec.model.hub_id}: code out of the model's folder was allowed to run")
    if spec.challenge.revision != challenge.revision:
        reasons.append(
            f"run under revision {spec.challenge.revision} of {challenge.id},"
            f" now at {challenge.revision}"
        )
    reasons += [f"{item.name}: {note}" for item in data for note in item.notes]
    if environment.foreign_modules:
        reasons.append(
            "modules from outside of the Python environment were imported:"
            f" {', '.join(environment.foreign_modules)}"
        )
    if environment.git is not None and environment.git.dirty:
        reasons.append("the harness was changed after the commit that it reports")
    return tuple(reasons)
