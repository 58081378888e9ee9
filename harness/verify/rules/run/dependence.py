"""Rules on what shows that an aggregate is made of its clients' replies."""

from __future__ import annotations

from collections.abc import Iterator

from harness.record.dependence import LEAST_INFLUENCE, MOST_UNMOVED, TOLERANCE
from harness.record.federation import RoundRecord
from harness.verify.independent.round_messages import STRATEGIES
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

CLIENT_PARTS = ("standard/scaffold", "standard/dp-client-side")
"""Known strategies whose clients make something of what they trained."""


def dependence(submission: Submission) -> Iterator[Breach]:
    """A known strategy's aggregate is what its formula gives; another's moves with a reply.

    Of a round of before, nothing was measured.
    """
    name = submission.record.spec.strategy.name
    for index, item in enumerate(submission.record.federation.rounds):
        place = f"federation.rounds[{index}]"
        yield from _of_clients(item, name, place)
        found = item.dependence
        if found is None:
            continue
        place = f"{place}.dependence"
        if name in STRATEGIES:
            for field, value in (("start", found.start), ("derived", found.derived)):
                if value is None or value > TOLERANCE:
                    yield f"{place}.{field}", value, f"at most {TOLERANCE:g}: {name} is known"
            for field, value in (("together", found.together), ("unmoved", found.unmoved)):
                if value is not None:
                    yield f"{place}.{field}", value, f"null: {name} is known"
        elif found.derived is not None:
            yield f"{place}.derived", found.derived, f"null: no formula of {name} is known"
        elif (known := influences(item)) and max(known) < LEAST_INFLUENCE:
            yield place, f"influences {known}", f"one of {LEAST_INFLUENCE:g} or more"


def _of_clients(item: RoundRecord, name: str, place: str) -> Iterator[Breach]:
    measured = item.dependence is not None
    for client in item.clients:
        where, found = f"{place}, partition {client.partition}", client.trained_influence
        if not measured and found is not None:
            yield f"{where}: trained_influence", found, "null: nothing was measured"
        elif measured and (found is None or found < LEAST_INFLUENCE):
            expected = f"{LEAST_INFLUENCE:g} or more: a reply follows what was trained"
            yield f"{where}: trained_influence", found, expected
        elif measured and found != 1 and name in STRATEGIES and name not in CLIENT_PARTS:
            yield f"{where}: trained_influence", found, f"1: {name} has no client part"
        if client.influence is not None and (not measured or name in STRATEGIES):
            yield f"{where}: influence", client.influence, "null: it was not measured"


def influences(item: RoundRecord) -> list[float]:
    """Return every influence of replies on the aggregate of a round that was measured."""
    found = [client.influence for client in item.clients]
    if item.dependence is not None:
        found.append(item.dependence.together)
    return [value for value in found if value is not None]


def other_sources(submission: Submission) -> Iterator[Breach]:
    """The aggregate of a strategy of others comes from all clients and from nowhere else."""
    name = submission.record.spec.strategy.name
    rounds = [item for item in submission.record.federation.rounds if item.dependence is not None]
    if name in STRATEGIES or not rounds:
        return
    for item in rounds:
        found, place = item.dependence, f"round {item.round}"
        assert found is not None
        if not influences(item):
            yield place, "no influence of a reply could be measured", "an aggregate that follows"
        if found.unmoved is not None and found.unmoved > MOST_UNMOVED:
            yield (
                place,
                f"the aggregate goes {100 * found.unmoved:.3g} % of its way when no client moved",
                f"at most {100 * MOST_UNMOVED:g} %: an aggregate is made of replies",
            )
        if found.start > TOLERANCE:
            yield place, f"clients were sent arrays {found.start:g} off", "the adapter"
    if all(_one_decides(item) for item in rounds):
        yield "", "one client alone moves the aggregate, in every round", "several that do"


def _one_decides(item: RoundRecord) -> bool:
    known = [client.influence for client in item.clients if client.influence is not None]
    return len(known) > 1 and sum(value >= LEAST_INFLUENCE for value in known) == 1


RULES = (
    Rule("dependence", "An aggregate depends on its clients' replies, and they on training",
         "harness record format", dependence),
    Rule("other-sources", "An aggregate comes from its clients and from nowhere else",
         "harness record format", other_sources, severity="warning"),
)  # fmt: skip
