"""The influence of replies on an aggregate: |change of the aggregate| / |change of a reply|."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import PluginError
from harness.federation.dependence.case import Case, apart
from harness.federation.dependence.trial import MidRound, leaving_no_trace
from harness.spec import derived_seed
from harness.training.reply.moved_arrays import change, moved, significant

MOST_MOVED = 8
"""Clients of a round whose replies are moved one by one; of more, a sample drawn by the seed."""


@dataclass(frozen=True, slots=True)
class Influence:
    """What trials of one round showed."""

    repeated: float
    """Largest relative distance of a tensor from the aggregate, with the same replies again."""
    clients: Mapping[int, float]
    """Place of a reply -> its influence; those that were moved."""
    together: float | None
    """The influence of a move that all replies make alike; None where the strategy raised."""
    unmoved: float | None
    """How far the aggregate goes when nobody has moved and nothing is remembered, as a share of how
    far it went; None where that cannot be told."""


def measure_influence(
    case: Case, held: MidRound, seed: Callable[[], None], run_seed: int, nodes: Sequence[int]
) -> Influence:
    """Let copies of a strategy aggregate a round again, with replies that differ.

    Args:
        case: the round.
        held: the strategy in the middle of it.
        seed: seeds the generators as for the real aggregate.
        run_seed: the run's seed, for the moves.
        nodes: all node ids.

    Raises:
        PluginError: the strategy raises where nothing is changed.
    """
    with leaving_no_trace():
        same = held.aggregate(seed)
        replies = held.replies()
        clients = {}
        for place in _sampled(len(replies), run_seed, case.round):
            other = moved(replies[place], case.before, run_seed, "move", case.round, place)
            found = _ratio(case, held, seed, replies, {place: other})
            if found is not None:
                clients[place] = found
        return Influence(
            repeated=distance(same, case.after),
            clients=clients,
            together=_together(case, held, seed, run_seed, replies),
            unmoved=_unmoved(case, held, seed, nodes, replies),
        )


def distance(found: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> float:
    """Return the largest relative distance (L2) of a tensor that both have."""
    return max((apart(v, expected[n]) for n, v in found.items() if n in expected), default=1.0)


def _sampled(count: int, seed: int, round: int) -> list[int]:
    draw = random.Random(derived_seed(seed, "moved-clients", round))
    return sorted(draw.sample(range(count), min(count, MOST_MOVED)))


def _ratio(
    case: Case,
    held: MidRound,
    seed: Callable[[], None],
    replies: Sequence[Mapping[str, NDArray[Any]]],
    changed: Mapping[int, Mapping[str, NDArray[Any]]],
) -> float | None:
    """Return by how much the aggregate changes, per change of a reply.

    None where the strategy takes no such reply.
    """
    try:
        found = held.aggregate(seed, changed)
    except PluginError:
        return None
    effect = change({n: v for n, v in found.items() if n in case.after}, case.after)
    place = next(iter(changed))
    # What a strategy's own arrays change is its own state first: only the adapter's count.
    ours = {n: v for n, v in changed[place].items() if n in case.before} or changed[place]
    cause = change(ours, replies[place])
    return significant(effect / cause) if cause > 0 and np.isfinite(effect) else None


def _together(
    case: Case,
    held: MidRound,
    seed: Callable[[], None],
    run_seed: int,
    replies: Sequence[Mapping[str, NDArray[Any]]],
) -> float | None:
    """Move all replies by the move of the first: whichever clients are selected, it shows."""
    first = moved(replies[0], case.before, run_seed, "move-all", case.round)
    shift = {name: values - replies[0][name] for name, values in first.items()}
    changed = {
        place: {name: values + shift[name] for name, values in reply.items()}
        for place, reply in enumerate(replies)
    }
    return _ratio(case, held, seed, replies, changed)


def _unmoved(
    case: Case,
    held: MidRound,
    seed: Callable[[], None],
    nodes: Sequence[int],
    replies: Sequence[Mapping[str, NDArray[Any]]],
) -> float | None:
    """Give a fresh strategy replies as if no client had trained."""
    still = {
        name: case.before.get(name, np.zeros_like(values)) for name, values in replies[0].items()
    }
    travels = {name: case.before[name] for name in case.travelling}
    shapes = {name: values.shape for name, values in case.after.items()}
    if any(case.before[name].shape != shapes[name] for name in case.before):
        return None
    try:
        found = held.aggregate_fresh(seed, travels, nodes, [still] * len(replies))
        far = change({n: v for n, v in found.items() if n in case.before}, case.before)
    except (PluginError, ValueError):
        return None
    went = change(case.after, case.before)
    return significant(far / went) if went > 0 and np.isfinite(far) else None
