"""What a check comes to, in words: average, eligibility with every reason, and what to do next.

`harness verify` prints it, and `harness submit` repeats it where it refuses a run.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from harness.planning.eligibility import exercise_because
from harness.record.about import typed
from harness.record.ladder import LEVELS
from harness.run_directory import read_command
from harness.verify.independent.known_models import known_model
from harness.verify.independent.known_recipes import known_recipe
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
        eligible=record.eligible and clean and not submission.withdrawal,
        reasons=tuple(shown(reason) for reason in submission.ineligible_because),
        code=shown(record.code),
        next=_next(submission, target, clean),
        stated=taken_as_stated(submission),
    )


def taken_as_stated(submission: Submission) -> tuple[str, ...]:
    """Return what nothing in a submission's files can confirm, one phrase each."""
    return tuple(shown(item) for item in _stated(submission))


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
    yield from _as_the_spec_states(submission)
    for item in record.data:
        if item.kind == "training" and not item.notes:
            yield f"the training file {item.sha256[:12]} from the {item.source}: no digest is known"


def _as_the_spec_states(submission: Submission) -> Iterator[str]:
    """Yield what follows from nothing else in the files: settings, and rounds nobody repeated."""
    record, about = submission.record, submission.about
    if known_recipe(record.spec) is None:
        yield f"the settings of {record.spec.label}: no recipe that is known here"
    elif about is None or not about.command:
        yield f"the settings of {record.spec.label}: no command says what was set"
    if submission.generations and not submission.answers_known:
        programs = sum(score.examples for score in submission.official.values())
        yield (
            f"the verdicts on {programs:,} programs: they were not executed again; harness rescore"
            f" {record.challenge.id} FOLDER --execute --write does it"
        )
    earned = {rung.level for rung in submission.ladder}
    replayed = submission.evidence.get("round-replayed")
    compared = set() if replayed is None else set(replayed.compared)
    rounds = [f"round {item.round}" for item in record.federation.rounds]
    left = [] if "re-run" in earned else [name for name in rounds if name not in compared]
    if left:
        many = f"{len(left)} of {len(rounds)} rounds"
        yield f"the updates and aggregates of {many}: they were not replayed"
    highest = max(earned & submission.evidence.keys(), key=LEVELS.index, default=None)
    if highest is not None:
        yield f"the level {highest}: evidence/{highest}.json says so, and the command repeats it"


def _next(submission: Submission, target: Target, clean: bool) -> str:
    spec = submission.record.spec
    if exercise_because(spec):
        words = _without_exercise(_typed(submission, target)) or ("harness", "run", *spec.asked_by)
        return f"this is an exercise and is not filed; run all of it: {typed(words)}"
    if not clean:
        return "mend what the findings name, or run again; with errors it is not filed"
    if target.kind == "run":
        return f"harness submit {shlex.quote(str(target.folder))}"
    if target.kind == "submission":
        return "send the folder as a pull request; harness reproduce earns it a higher level"
    return "give the run directory, so that its answers are counted again"


def _typed(submission: Submission, target: Target) -> tuple[str, ...]:
    """Return what was typed to begin a run; empty where it was not kept."""
    if target.kind == "run" and target.folder is not None:
        return read_command(target.folder)
    return () if submission.about is None else submission.about.command


def _without_exercise(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command without what made an exercise of it, and what a smoke run made of `auto`."""
    pairs = zip(("", *command), command, strict=False)
    left_out = ("--limit", "--device", "--threads")
    return tuple(
        word for before, word in pairs if before not in left_out
        and word not in (*left_out, "--smoke")
    )  # fmt: skip
