"""What of extensions is asked and checked while a run is planned: no torch, no weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.boards.challenge import Challenge
from harness.components import RankContext, RoundPlan, Shapes
from harness.errors import PluginError
from harness.plugins import Bound
from harness.plugins.guard import calling_plugin
from harness.recipe import TrainSpec
from harness.spec import RunSpec

DEFAULT_OPTIMIZER = TrainSpec.model_fields["optimizer"].default

FACTORS = (".lora_A.weight", ".lora_B.weight")
"""What the names of a layer's two factors end with in peft's LoRA, DoRA and their kin."""


def client_ranks(
    bound: Mapping[str, Bound], r: object, challenge: Challenge, seed: int
) -> tuple[int, ...] | None:
    """Return the rank of each partition, or None where all have the adapter's.

    Args:
        bound: the extensions of the run.
        r: the PEFT method's rank; None where it has none.
        challenge: the rules of the run.
        seed: the run's.

    Raises:
        PluginError: a rank is none, or another when it is asked for again.
    """
    if "ranks" not in bound:
        return None
    part = bound["ranks"]
    if type(r) is not int:
        raise PluginError(
            f"client ranks {part.name}: the PEFT method has no parameter r; use LoRA or DoRA"
        )
    context = RankContext(r, challenge.num_supernodes, seed)
    numbers = range(challenge.num_supernodes)
    ranks = tuple(one_rank(part, number, context) for number in numbers)
    for number, rank in zip(numbers, ranks, strict=True):
        refuse_other_rank(part, number, one_rank(part, number, context), rank)
    return ranks


def one_rank(part: Bound, partition: int, context: RankContext) -> int:
    """Return what a component says a partition's rank is.

    Args:
        part: the component.
        partition: from 0.
        context: what it may depend on.

    Raises:
        PluginError: it raises, or the rank is not from 1 to the adapter's.
    """
    culprit = f"client ranks {part.name}: rank() of partition {partition}"
    with calling_plugin(culprit, function=part.value.rank):
        rank = part.value.rank(partition, context, part.params)
    if type(rank) is not int or not 1 <= rank <= context.r:
        raise PluginError(
            f"{culprit} is {rank!r:.40}; expected a whole number from 1 to {context.r}"
        )
    return int(rank)


def refuse_other_rank(part: Bound, partition: int, found: int, before: int) -> None:
    """Check that a client has the rank that it had.

    Args:
        part: the component that says so.
        partition: whose rank.
        found: what it says now.
        before: what it said first.

    Raises:
        PluginError: it has another.
    """
    if found != before:
        raise PluginError(
            f"client ranks {part.name}: partition {partition} has rank {found} now and had {before}"
            " before; a client keeps its rank in every round"
        )


def extension_faults(
    spec: RunSpec, shapes: Shapes, plans: Sequence[RoundPlan]
) -> Iterator[tuple[str, str]]:
    """Yield what extensions cannot be used with, and what would do.

    Args:
        spec: the run.
        shapes: the adapter's tensors.
        plans: what each round moves.
    """
    chosen = spec.extensions
    if chosen.optimizer is not None and spec.train.optimizer != DEFAULT_OPTIMIZER:
        yield (
            f"extensions.optimizer {chosen.optimizer.name} beside optimizer {spec.train.optimizer}",
            "one of them: leave train.optimizer at its default",
        )
    if spec.client_ranks is not None and not any(name.endswith(FACTORS) for name in shapes):
        yield (
            f"client ranks {chosen.ranks and chosen.ranks.name} with {spec.peft.name}",
            "a PEFT method with the factors A and B of LoRA",
        )
    grows = any(plan.adapter is not None for plan in plans)
    if grows and (chosen.warm_start is not None or spec.client_ranks is not None):
        yield (
            f"a warm start or client ranks with strategy {spec.strategy.name}, whose clients begin"
            " afresh in every round",
            "a strategy whose adapter keeps its ranks",
        )
