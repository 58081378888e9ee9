"""A client's reply follows what was trained: the tensors are moved, and the reply has to move."""

from __future__ import annotations

import random
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.components import LocalObjective, LocalRound
from harness.errors import FederationError, PluginError
from harness.record.dependence import LEAST_INFLUENCE
from harness.training.reply.local_round import finished_values, pick
from harness.training.reply.moved_arrays import Arrays, change, moved, significant


@dataclass(frozen=True, slots=True)
class Asked:
    """A reply that is asked for: what messages and the seed of the trial say of it."""

    strategy: str
    round: int
    partition: int
    seed: int
    could_move: bool
    """Whether any step had a learning rate above zero."""


def reply_of(
    held: Arrays,
    objective: LocalObjective | None,
    done: LocalRound,
    trained: Collection[str],
    returned: Mapping[str, Any],
    asked: Asked,
) -> tuple[Arrays, Arrays, float]:
    """Return what a client holds after it trained, its reply, and how the reply follows training.

    Args:
        held: what the client started from.
        objective: the strategy's client part, or None.
        done: the training that it did.
        trained: tensors of the adapter that the optimizer changed.
        returned: names of the reply's tensors, in order; the values do not matter.
        asked: which reply it is.

    Raises:
        FederationError: training changed no tensor.
        PluginError: the reply is the same whatever was trained.
    """
    where = f"partition {asked.partition}, round {asked.round}"
    if asked.could_move and all(np.array_equal(done.trained[n], held[n]) for n in trained):
        raise FederationError(
            f"{where}: after {done.steps} steps the trained tensors are what they were; raise the"
            f" learning rate ({done.learning_rate:g}), or mend what keeps them from being trained"
        )
    trial = ReplyTrial(objective, done, trained)
    after = finished_values(held, objective, done)
    reply = pick(after, returned, "return")
    influence = trial.influence(reply, asked.seed, "move-trained", asked.round, asked.partition)
    if influence < LEAST_INFLUENCE:
        raise PluginError(
            f"strategy {asked.strategy}: {where}: the client returns the same whatever it has"
            " trained; return what was trained"
        )
    return after, reply, influence


class ReplyTrial:
    """A client part that is asked twice: once for the reply, once what a moved adapter would give.

    Made before the client part runs, which may write into what it is given.
    """

    def __init__(
        self, objective: LocalObjective | None, done: LocalRound, trained: Collection[str]
    ) -> None:
        """Remember what the client part is about to be given.

        Args:
            objective: the strategy's client part, or None.
            done: the training that was done.
            trained: tensors of the adapter that the optimizer changed.
        """
        self.objective = objective
        self.trained = trained
        self.needed = objective is not None and objective.finish is not None
        self.done = _copy(done) if self.needed else done
        self.draws = generators() if self.needed else None

    def influence(self, reply: Mapping[str, Any], *seed: object) -> float:
        """Return |change of the reply| / |change of the trained tensors|.

        Without a client part the reply is made of the trained tensors by the harness: 1.0 where any
        of them is returned. Nothing of the reply and no generator is changed.

        Args:
            reply: what the client returns, float32, by tensor name.
            seed: parts of the seed of the move.
        """
        if not self.needed:
            return float(any(name in self.trained for name in reply))
        after = generators()
        before = {name: self.done.trained[name] for name in sorted(self.trained)}
        other = moved(before, self.done.received, *seed)
        given = replace(self.done, trained={**self.done.trained, **other})
        try:
            put_back(self.draws)
            held = {name: np.array(values) for name, values in given.received.items()}
            again = pick(finished_values(held, self.objective, _copy(given)), reply, "return")
        finally:
            put_back(after)
        cause = change(other, before)
        return significant(change(again, reply) / cause) if cause > 0 else 0.0


def _copy(done: LocalRound) -> LocalRound:
    received: Arrays = {name: np.array(values) for name, values in done.received.items()}
    trained: Arrays = {name: np.array(values) for name, values in done.trained.items()}
    return replace(done, received=received, trained=trained, config=dict(done.config))


def generators() -> tuple[Any, Any, Any]:
    """Return the states of the global generators: `random`, numpy and torch where it is loaded."""
    torch = sys.modules.get("torch")
    state = None if torch is None else torch.get_rng_state()
    return random.getstate(), np.random.get_state(), state


def put_back(states: tuple[Any, Any, Any] | None) -> None:
    """Put the global generators back into these states."""
    if states is None:
        return
    random.setstate(states[0])
    np.random.set_state(states[1])
    if states[2] is not None:
        sys.modules["torch"].set_rng_state(states[2])
