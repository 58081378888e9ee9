"""What a check comes to, in words: average, eligibility with every reason, and what to do next.

`harness verify` prints it, and `harness submit` repeats it where it refuses a run.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from harness.planning.eligibility import exercise_because
from harness.spec import RunSpec
from harness.verify.independent.known_models import known_model
from harness.verify.report import Verdict, shown
from harness.verify.submission import Submission
from harness.verify.targets import Target


def verdict_of(submission: Submission, target: Target, clean: bool) -> Verdict:
    """Return the verdict of a checked run or submission.

    Args:
        submission: what was read.
        target: where it lies.
        clean: whether no rule found an error.
    """
    record = submission.record
    return Verdict(
        path=target.name,
        average=record.average,
        eligible=record.eligible and clean,
        reasons=tuple(shown(reason) for reason in record.ineligible_because),
        code=shown(record.code),
        next=_next(record.spec, target, clean),
        stated=tuple(shown(item) for item in _stated(submission)),
    )


def _stated(submission: Submission) -> Iterator[str]:
    """Yield what the files cannot show: whose weights and whose data these are."""
    record = submission.record
    if record.spec.smoke:
        return
    model = record.spec.model
    known = known_model(model.hub_id)
    owner = model.hub_id.partition("/")[0]
    if known is None:
        yield f"the base model {model.hub_id} and its shape: no model that is known here"
    elif owner != known.hub_id.partition("/")[0]:
        yield f"the base model {model.hub_id}: the shape of {known.hub_id}, by another owner"
    else:
        yield f"the weights of {model.hub_id}: no digest of the hub's files is known here"
    for item in record.data:
        if item.kind == "training" and not item.notes:
            yield f"the training file {item.sha256[:12]} from the {item.source}: no digest is known"


def _next(spec: RunSpec, target: Target, clean: bool) -> str:
    exercise = exercise_because(spec)
    if exercise:
        named = " ".join(shlex.quote(shown(word)) for word in spec.asked_by)
        return f"this is an exercise and is not filed; run all of it: harness run {named}"
    if not clean:
        return "mend what the findings name, or run again; with errors it is not filed"
    if target.kind == "run":
        return f"harness submit {shlex.quote(str(target.folder))}"
    if target.kind == "submission":
        return "send the folder as a pull request; harness reproduce earns it a higher level"
    return "give the run directory, so that its answers are counted again"
