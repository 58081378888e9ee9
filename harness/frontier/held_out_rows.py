"""Training rows that a run did not train on, to choose a round by instead of the official rows.

A row is held out when its partition was never sampled, its text is in no partition that was, and
it is in no evaluation set of the board. What is left over is drawn from by the run's seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from harness.boards.challenge import Challenge
from harness.boards.registry import protocol_of
from harness.errors import UsageError
from harness.evaluation.held_out_row import HeldOutRow
from harness.record.federation import RoundRecord
from harness.spec import RunSpec, derived_seed
from harness.training.rows.partitions import Partitions

FEWEST_ROWS = 32
"""Fewer rows tell no round from another: one right answer more is three points."""


def held_out_rows(
    spec: RunSpec,
    challenge: Challenge,
    training_file: str | None,
    rounds: Sequence[RoundRecord],
    official: Iterable[str],
    count: int,
) -> tuple[HeldOutRow, ...]:
    """Return rows that no client of a run had, in the form of the board's own.

    Args:
        spec: the run.
        challenge: its rules.
        training_file: parquet; None for a smoke run's corpus.
        rounds: all that were run, since a later round must not have seen them either.
        official: texts of all evaluation rows.
        count: how many rows are wanted.

    Returns:
        `count` rows, or as many as there are.

    Raises:
        UsageError: the board's training rows are no questions of its kind, or fewer than
            `FEWEST_ROWS` are left.
    """
    protocol = protocol_of(challenge)
    text_column = protocol.example_columns[0]
    partitions = Partitions(challenge, training_file)
    trained = {number for item in rounds for number in item.partitions}
    known = set(official)
    for number in sorted(trained):
        known.update(row[text_column] for row in partitions.rows(number))
    found: dict[str, HeldOutRow] = {}
    asked = 0
    for number in sorted(set(range(challenge.num_supernodes)) - trained):
        for row in partitions.rows(number):
            put = protocol.held_out(row)
            asked += put is not None
            if put is not None and row[text_column] not in known:
                found.setdefault(put.context, HeldOutRow(context=put.context, target=put.target))
    if len(found) < FEWEST_ROWS:
        raise UsageError(_too_few(challenge, len(trained), asked, len(found)))
    rows = [found[context] for context in sorted(found)]
    chance = random.Random(derived_seed(spec.seed, "held-out"))
    return tuple(chance.sample(rows, min(count, len(rows))))


def _too_few(challenge: Challenge, trained: int, asked: int, found: int) -> str:
    if trained == challenge.num_supernodes:
        return (
            f"all {trained} partitions were sampled, so no training row is held out; choose a round"
            " on a run of fewer rounds, or of a smaller fraction"
        )
    if not asked:
        return (
            f"the training rows of {challenge.id} are no questions of its evaluation, so that no"
            " round can be chosen by them; evaluate one round with: harness evaluate RUN --round K"
        )
    return (
        f"{found} training rows are held out, expected {FEWEST_ROWS} or more: the others are in"
        " partitions that were sampled, or in the evaluation sets"
    )
