"""Settings of a claim: whether they are the challenge's, and whether its places state the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isclose
from typing import Any

from harness.boards.board import Board, board_of_dataset
from harness.claims.figures import ClaimFinding, verdict
from harness.claims.record import ClaimedConfig, ClaimRecord
from harness.claims.traffic import named_targets

README = re.compile(r"readme(?:\.[a-z]+)?$", re.IGNORECASE)
NEVER_COMPARED = ("dataset", "api", "beyond_rank")
"""Former names of a data set, and both APIs' keys, may stand beside each other."""


def fixed_values(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """Data set and supernodes are the challenge's."""
    dataset, count = claim.config.dataset, claim.config.num_supernodes
    if dataset is None:
        yield ClaimFinding("data set", "missing", "no static.dataset.name", board.datasets[0])
    elif board_of_dataset(dataset) not in (board, None) and not [*_configured_datasets(claim)]:
        # A README of several boards that links to another one's.
        yield ClaimFinding("data set", "missing", f"a link to {dataset} alone", board.datasets[0])
    else:
        yield verdict("data set", dataset in board.datasets, dataset, board.datasets[0])
    for where, other in _configured_datasets(claim):
        if other != dataset and other not in board.datasets:
            text = f"{where}: {other}"
            yield ClaimFinding("data set", "contradicts", text, board.datasets[0])
    if count is None:
        yield ClaimFinding("supernodes", "missing", "no num-supernodes", str(board.supernodes))
    else:
        yield verdict("supernodes", count == board.supernodes, str(count), str(board.supernodes))


def _configured_datasets(claim: ClaimRecord) -> Iterator[tuple[str, str]]:
    """Yield (place, data set) of what is written as configuration: the links of a README may be to
    whatever it speaks of."""
    for item in claim.sources:
        if item.values.dataset is not None and not README.search(item.where):
            yield item.where, item.values.dataset


def evaluation_settings(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """The evaluation ran with the official settings, where its accuracy file states them."""
    for item in claim.sets:
        for phrase in item.unofficial_settings:
            found, _, expected = phrase.partition(", officially ")
            yield ClaimFinding(
                f"{item.task}: evaluation", "contradicts", found, expected or "the official one"
            )


def settings(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """Every two places that state a setting state the same."""
    sources = [(item.where, item.values.model_dump()) for item in claim.sources]
    if not sources:  # A claim from before places were kept apart.
        stated, config = claim.stated.model_dump(), claim.config.model_dump()
        sources = [("configuration", config), ("README", stated)]
    for name in ClaimedConfig.model_fields:
        places = [(where, values[name]) for where, values in sources if values[name] is not None]
        if name in NEVER_COMPARED or len(places) < 2:
            continue
        first, others = places[0], places[1:]
        differing = [item for item in others if not same_setting(name, item[1], first[1], claim)]
        if differing:
            yield ClaimFinding(
                f"setting {name}",
                "contradicts",
                "; ".join(f"{where}: {shown_setting(value)}" for where, value in differing)[:400],
                f"{first[0]}: {shown_setting(first[1])}",
            )
    high, low = claim.config.learning_rate_max, claim.config.learning_rate_min
    if high is not None and low is not None and low > high:
        yield ClaimFinding("learning rate", "contradicts", f"minimum {low}", f"at most {high}")


def same_setting(name: str, one: Any, other: Any, claim: ClaimRecord) -> bool:
    """Whether two places of a project state the same of a setting, however each writes it.

    Args:
        name: of the setting.
        one: what the first place states.
        other: what the second does.
        claim: whose model says what `all` target modules are.
    """
    if name == "targets":
        return set(named_targets(claim, one)) == set(named_targets(claim, other))
    if name == "model":
        short, long = sorted((bare(str(name).rpartition("/")[2]) for name in (one, other)), key=len)
        # `SmolLM2` says less than `SmolLM2-135M`; without `-Instruct` it is another model.
        return short == long or (long.startswith(short) and not re.search(r"[0-9][bm]", short))
    if name == "optimizer":
        # A README says more: "Paged AdamW 8-bit for efficiency".
        short, long = sorted(map(bare, (one, other)), key=len)
        return long.startswith(short)
    if name == "strategy":  # a component is its plugin's: standard/fedavg
        return bare(one.rpartition("/")[2]) == bare(other.rpartition("/")[2])
    if isinstance(one, float) or isinstance(other, float):
        return isclose(one, other)
    return bool(one == other)


def bare(text: str) -> str:
    """Return a name without what people write in several ways: case, spaces, hyphens, dots."""
    return re.sub(r"\W|_", "", text).lower()


def shown_setting(value: Any) -> str:
    """Return a setting's value as people read it."""
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def command(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """The evaluation command in a README is the official one."""
    for phrase in claim.unofficial_commands:
        found, _, expected = phrase.partition(", officially ")
        official = f"{expected}{board.command_note}"
        yield ClaimFinding("evaluation command", "contradicts", found, official)
