"""The check of a round: its aggregate is made of its clients' replies, or the round is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.errors import PluginError
from harness.federation.dependence.case import Case
from harness.federation.dependence.influence import Influence, measure_influence
from harness.federation.dependence.own_aggregation import OwnAggregation
from harness.federation.dependence.trial import MidRound
from harness.record.dependence import LEAST_INFLUENCE, TOLERANCE, Dependence
from harness.training.reply.moved_arrays import significant

SMALLEST_DISTANCE = 1e-6
"""A distance below this is rounding of float32 sums, and is recorded as 0."""


def check_round(
    case: Case,
    own: OwnAggregation,
    held: MidRound | None,
    seed: Callable[[], None],
    nodes: Sequence[int],
) -> tuple[Dependence, Influence | None]:
    """Return what shows that an aggregate depends on its clients.

    Args:
        case: the round.
        own: the harness's own aggregation, as it stands after the round before.
        held: the strategy in the middle of the round; None where the harness knows its formula.
        seed: seeds the generators as for the real aggregate.
        nodes: all node ids.

    Raises:
        PluginError: the aggregate, or what was sent, is not what the strategy's formula gives; or
            the strategy gives another aggregate for the same replies, or ignores them all.
    """
    name = own.spec.strategy.name
    where = f"strategy {name}, round {case.round}"
    start = own.start_deviation(case)
    derived = own.deviation(case)
    if derived is not None:
        _refuse_distance(start, f"{where}: what it sent its clients is", "the adapter")
        _refuse_distance(derived, f"{where}: its aggregate is", f"what {name} makes of the replies")
        return Dependence(start=_kept(start), derived=_kept(derived)), None
    if held is None:
        raise PluginError(f"{where}: nothing is known of how its aggregate was made")
    found = measure_influence(case, held, seed, own.spec.seed, nodes)
    if found.repeated > TOLERANCE:
        raise PluginError(
            f"{where}: the same replies give another aggregate when they are aggregated again"
            f" ({found.repeated:.2g} of a tensor's size apart); keep state in the strategy's"
            " attributes, and draw from the generators that the harness seeds"
        )
    shown = [*found.clients.values(), *([] if found.together is None else [found.together])]
    if shown and max(shown) < LEAST_INFLUENCE:
        raise PluginError(
            f"{where}: it ignores its clients: the aggregate stays as it is whichever reply is"
            " changed; aggregate what the clients return"
        )
    return Dependence(
        start=_kept(start), derived=None, together=found.together, unmoved=found.unmoved
    ), found


def _refuse_distance(distance: float, what: str, expected: str) -> None:
    if distance > TOLERANCE:
        raise PluginError(
            f"{what} {distance:.2g} of a tensor's size away from {expected}, at most {TOLERANCE:g}"
            " is rounding; something has changed the strategy: install it and its libraries anew,"
            " and run without what else is loaded"
        )


def _kept(distance: float) -> float:
    return 0.0 if distance < SMALLEST_DISTANCE else significant(distance)
