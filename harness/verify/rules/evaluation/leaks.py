"""Rules on leaks: how many evaluation rows a run trained on, and its score without them."""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose

from harness.boards.leaks import PinnedLeak, pinned_leaks
from harness.record.score import Leak, Score
from harness.verify.rule import Breach, Rule
from harness.verify.rules.evaluation.answers import source
from harness.verify.rules.evaluation.scores import place_of
from harness.verify.submission import Submission


def leak(submission: Submission) -> Iterator[Breach]:
    """Leaked rows are those of the challenge's data; the clean score is counted over the others."""
    pinned = pinned_leaks(submission.challenge.id) if trained_on_the_challenge_s(submission) else {}
    for score in submission.record.scores:
        place, known = place_of(score, "leak"), pinned.get(score.task)
        if score.leak is None:
            if known is not None:
                yield place, "nothing", f"{known.exact_rows(score.examples)} exact rows and so on"
        elif known is None:
            yield from _adds_up(score, score.leak, place)
        else:
            yield from _as_pinned(submission, score, score.leak, known, place)


def trained_on_the_challenge_s(submission: Submission) -> bool:
    """Whether the training rows that leak are known: the data are the challenge's or pass its
    anchor; anything else has a note and cannot be eligible."""
    known = submission.challenge.dataset.pin.lookalikes
    training = [item for item in submission.record.data if item.kind == "training"]
    return not submission.record.spec.smoke and all(
        not item.notes or item.sha256 in known for item in training
    )


def _as_pinned(
    submission: Submission, score: Score, found: Leak, known: PinnedLeak, place: str
) -> Iterator[Breach]:
    clean = known.clean(min(score.examples, 100_000))
    for name, value, expected in (
        ("exact_rows", found.exact_rows, known.exact_rows(score.examples)),
        ("text_rows", found.text_rows, score.examples - len(clean)),
        ("clean_examples", found.clean_examples, len(clean)),
    ):
        if value != expected:
            yield f"{place}.{name}", value, expected
    generations = submission.generations.get(source(score))
    bits = "" if generations is None else generations.bits
    if len(bits) != score.examples:
        yield from _clean_value_possible(score, found, place)
        return
    leaked = sum(bits[row] == "1" for row in known.text if row < len(bits))
    right = bits.count("1") - leaked
    expected_value = right / len(clean) if clean else None
    if found.clean_value != expected_value:
        yield f"{place}.clean_value", found.clean_value, f"{expected_value}: {right}/{len(clean)}"


def _adds_up(score: Score, found: Leak, place: str) -> Iterator[Breach]:
    """Check a count of which the rows are not known here."""
    if found.exact_rows > found.text_rows:
        yield place, f"{found.exact_rows} exact rows", f"at most {found.text_rows} by text"
    if found.text_rows + found.clean_examples != score.examples:
        total = found.text_rows + found.clean_examples
        yield place, f"{total:,} rows", f"{score.examples}: leaked and clean ones together"
    yield from _clean_value_possible(score, found, place)


def _clean_value_possible(score: Score, found: Leak, place: str) -> Iterator[Breach]:
    if (found.clean_value is None) != (found.clean_examples == 0):
        yield f"{place}.clean_value", found.clean_value, "a value exactly when rows are left"
    if found.clean_value is None:
        return
    right = found.clean_value * found.clean_examples
    lowest = max(0, score.correct - found.text_rows)
    whole = isclose(right, round(right), abs_tol=1e-6)
    if not whole or not lowest <= round(right) <= min(score.correct, found.clean_examples):
        expected = (
            f"a whole number of {found.clean_examples:,} rows, {lowest:,} or more of them right"
        )
        yield f"{place}.clean_value", found.clean_value, expected


RULES = (
    Rule("leak", "Leaked rows are those of the challenge's data", "challenge file of the harness;"
         " harness.scoring.leak", leak),
)  # fmt: skip
