"""A repetition by a newer harness equals an older record, where the numbers are equal."""

from __future__ import annotations

from clean_submission import Submission

from harness.record.dependence import Dependence
from harness.record.federation import RoundRecord
from harness.reproduce.comparison import equal_items


def rounds(measured: bool) -> list[RoundRecord]:
    """Return three chained rounds, with what today's harness measures of them or without."""
    found: list[RoundRecord] = []
    previous = "0" * 64
    for item in Submission().record["federation"]["rounds"]:
        item = item | {"dependence": None, "previous_digest": previous}
        one = RoundRecord.model_validate(item)
        if measured:
            one = one.with_values(dependence=Dependence(start=0.0, derived=0.0))
        one = one.with_values(digest=one.chain_digest())
        previous = one.digest
        found.append(one)
    return found


def differing(before: RoundRecord, after: RoundRecord) -> set[str]:
    return {item.what for item in equal_items(before, after) if not item.equal}


def test_what_was_not_measured_then_makes_no_round_differ() -> None:
    for before, after in zip(rounds(False), rounds(True), strict=True):
        assert before.digest != after.digest
        assert differing(before, after) == set()


def test_what_was_measured_then_is_compared() -> None:
    before = rounds(True)[1]
    other = before.with_values(dependence=Dependence(start=0.0, derived=0.5))
    other = other.with_values(digest=other.chain_digest())
    assert differing(before, other) == {"round 2 chain"}


def test_another_number_differs_in_whatever_form_it_was_chained() -> None:
    before, after = rounds(False)[1], rounds(True)[1]
    other = after.with_values(train_loss=after.train_loss + 1)
    other = other.with_values(digest=other.chain_digest())
    assert differing(before, other) == {"round 2 loss", "round 2 chain"}
