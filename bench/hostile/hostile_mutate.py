"""Single-field changes of a record: how many does verify find?

A change counts by what it means. `free` are circumstances of one machine that nothing depends on,
each with its reason in `FREE`; they are counted apart. Of all others, a change is `found` (an
error), `flagged` (`harness verify` names what was changed among the things that it takes as stated)
or `missed`.
"""

from __future__ import annotations

import copy
import random
import re
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from clean_submission import COMMAND, KeptSubmission, Submission, about_json
from hostile_damage import at, places, put
from hostile_fuzz import PLACE, small_submission

from harness.boards.challenge import load_challenge
from harness.document import canonical_json, sha256_text
from harness.record.card import card
from harness.record.result import ResultRecord
from harness.submissions.check import verify
from harness.verify.read_submission import seal
from harness.verify.report import Report

ENTRY = Path(__file__).resolve().parents[2] / "submissions/finance/smollm2-135m-dora-r2"
"""A run of a recipe of this repository, with weights, log-likelihoods and a replayed round."""

FREE = {
    r"environment\.(python|platform)|environment\.packages\..*":
        "versions of one machine; a repetition says whether others give the same",
    r"environment\.(device\.(name|note|actors)|git\.commit|startup_sha256|harness\.digest)":
        "what the machine was; nothing is computed from it, and no file of it is in the folder",
    r"federation\.rounds\.\*\.(duration_s|clients\.\*\.attempts)|timing\..*":
        "how long it took on one machine, within bounds that are checked",
    r"data\.\*\.revision":
        "where the data were fetched; which they were is bound by their digest",
    r"spec\.train\.save_every_rounds":
        "how often a state is kept to resume from; no number of a run follows from it",
    r"spec\.model\.(name|licence)|spec\.plugins\.\*\.editable|plugins\.\*\.editable":
        "what something is called here; the model is its hub id and its shape",
}  # fmt: skip
"""Fields on which nothing in a submission and no number depends -> why."""

AS_STATED = {
    "the settings of ": r"spec\.(train|recipe|price).*",
    "the updates and aggregates of ":
        r"federation\.rounds\.\*\.(clients\.\*\.update_sha256|aggregate_sha256|aggregation_error"
        r"|dependence.*|clients\.\*\.(trained_)?influence)",
    "the base model ": r"spec\.model\..*",
    "the weights of ": r"spec\.model\.revision",
    "the training file ": r"data\.\*\.(sha256|files.*)",
}  # fmt: skip
"""How `harness verify` begins what it takes as stated -> the fields of which it says so."""


class Stranger(Submission):
    """The synthetic submission of a plugin that nobody knows, with what `submit` files beside."""

    def __init__(self) -> None:
        base = small_submission()
        self.__dict__.update(base.__dict__)
        self.extra["about.json"] = about_json(command=list(COMMAND))

    def _card(self) -> str:
        try:
            return card(
                ResultRecord.model_validate(self.record), load_challenge("finance"), COMMAND
            )
        except (ValueError, ArithmeticError, LookupError):
            return "# A pretended run\n"


def other_value(chance: random.Random, value: Any) -> Any:
    """Return a value of the same type that means something else."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + chance.choice([-1, 1, 7, max(1, abs(value) // 2)])
    if isinstance(value, float):
        return value * chance.choice([0.5, 0.9, 1.1, 2.0]) + chance.choice([0.0, 0.001])
    if value is None:
        return chance.choice([0.5, 3])
    if not value:
        return "x"
    index = chance.randrange(len(value))
    new = chance.choice([c for c in "abcdef0123456789" if c != value[index]])
    return value[:index] + new + value[index + 1 :]


def named(path: tuple[Any, ...]) -> str:
    """Return a field's name, the same for all items of a list: `spec.plugins.*.digest`."""
    return ".".join("*" if isinstance(part, int) else str(part) for part in path)


def why_free(name: str) -> str | None:
    """Return why nothing depends on a field, or None."""
    return next((why for form, why in FREE.items() if re.fullmatch(form, name)), None)


def same_run(record: dict[str, Any], path: tuple[Any, ...], old: Any, new: Any) -> bool:
    """Whether a change means nothing: as many clients are sampled, or other digits were drawn."""
    if path == ("run_id",):
        return bool(old[:-6] == new[:-6])
    if path != ("spec", "train", "fraction"):
        return False
    clients = load_challenge(record["challenge"]["id"]).clients_per_round
    return 0 < new <= 1 and clients(old) == clients(new)


def forge(submission: Submission, path: tuple[Any, ...]) -> None:
    """Make every digest fit a changed field again: of the spec, of the chain, the run's name."""
    if path[0] == "spec":
        spec = submission.record["spec"]
        submission.record["spec_digest"] = sha256_text(canonical_json(spec))
        submission.rename()
    if path[0] == "federation" and path[-1] not in ("digest", "previous_digest"):
        try:
            submission.rechain()
        except ValueError:
            return  # No round any more: nothing to make fit.


def verdict_on(report: Report, name: str) -> str:
    """Return `found`, `flagged` or `missed`."""
    if not report.clean:
        return "found"
    stated = [line for verdict in report.verdicts for line in verdict.stated]
    told = any(
        line.startswith(begin) and re.fullmatch(form, name)
        for line in stated
        for begin, form in AS_STATED.items()
    )
    return "flagged" if told else "missed"


def mutate(count: int, seed: int) -> dict[str, Any]:
    """Change one field of a record at a time and see whether verify notices.

    `sealed`: the manifest is made to fit, as a careless forger would. `forged`: so are all digests,
    so that what is found is found from meaning alone. Each kind of field is as likely as any other,
    however many places it has in a record.
    """
    return {
        "a recipe of this repository": changes(KeptSubmission(ENTRY), count, seed),
        "a stranger's plugin": changes(Stranger(), count, seed),
    }


def changes(base: Submission, count: int, seed: int) -> dict[str, Any]:
    """Return what is found of `count` changes of one submission, and every field that is not."""
    chance = random.Random(seed)
    kinds: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for path in places(base.record):
        if not isinstance(at(base.record, path), dict | list):
            kinds[named(path)].append(path)
    tally: dict[str, Counter[str]] = {"sealed": Counter(), "forged": Counter()}
    free: dict[str, Counter[str]] = defaultdict(Counter)
    not_found: dict[str, Counter[str]] = {"flagged": Counter(), "missed": Counter()}
    clean = copy.deepcopy(base.record)
    with tempfile.TemporaryDirectory() as temporary:
        folder = base.write(Path(temporary) / PLACE)
        seal(folder)
        assert (report := verify([folder])).clean, report.findings
        order = chance.sample(sorted(kinds), len(kinds))
        for number in range(count):
            name = order[number % len(order)]
            path = chance.choice(kinds[name])
            old = at(base.record, path)
            new = other_value(chance, old)
            if new == old or same_run(base.record, path, old, new):
                continue
            put(base.record, path, new)
            base.write(folder)
            careless = verdict_on(verify([folder]), name)
            forge(base, path)
            base.write(folder)
            forged = verdict_on(verify([folder]), name)
            base.record = copy.deepcopy(clean)
            why = why_free(name)
            if why is not None:
                free[why]["changes"] += 1
                free[why]["found"] += forged == "found"
                continue
            tally["sealed"][careless] += 1
            tally["forged"][forged] += 1
            if forged != "found":
                not_found[forged][name] += 1
    return {
        "kinds of fields": len(kinds),
        **{name: share(found) for name, found in tally.items()},
        **{f"{name} when forged": dict(found.most_common()) for name, found in not_found.items()},
        "free, counted apart": {why: dict(found) for why, found in free.items()},
    }


def share(found: Counter[str]) -> dict[str, Any]:
    """Return how many changes of meaning were found or flagged."""
    total = found.total()
    return {
        "changes of meaning": total,
        **{name: found[name] for name in ("found", "flagged", "missed")},
        "score": round((total - found["missed"]) / max(1, total), 4),
    }
