"""What follows from a claim: what recomputes, what contradicts, what is missing.

A pure function of the claim, so that findings need no storing and cannot be edited.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import isclose

from harness.boards.board import Board, load_board
from harness.boards.registry import reader_of
from harness.claims.figures import ClaimFinding, agrees, digits, number, verdict
from harness.claims.record import ClaimRecord
from harness.claims.settings import command, evaluation_settings, fixed_values, settings
from harness.claims.traffic import communication

AS_PERCENT = 4
"""Decimals of a fraction that a file states as percent with two: it is rounded."""

ALL_OF_A_SCORE = "README figure, accuracy file and generations of the set"

Check = Callable[[ClaimRecord, Board], Iterator[ClaimFinding]]


def claim_findings(claim: ClaimRecord) -> tuple[ClaimFinding, ...]:
    """Return everything that follows from a claim, contradictions first."""
    board = load_board(claim.challenge)
    found = [item for check in CHECKS for item in check(claim, board)]
    order = {"contradicts": 0, "missing": 1, "recomputes": 2}
    return tuple(sorted(found, key=lambda item: order[item.kind]))


def possible(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """A published percentage is a whole number of the set's rows."""
    for item in claim.sets:
        stated = number(item.percent)
        if item.percent is None or stated is None:
            continue
        rows = board.rows[item.task]
        near = min(rows, round(stated / 100 * rows))
        holds = any(
            agrees(item.percent, 100 * count / rows)
            for count in (near - 1, near, near + 1)
            if 0 <= count <= rows
        )
        if not holds:
            yield ClaimFinding(
                f"{item.task}: possible",
                "contradicts",
                f"{item.percent.text} % of {rows:,} rows",
                f"k/{rows}: {100 * near / rows:.2f} % is nearest",
            )


def scores(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """README, accuracy file and generations say the same."""
    reader = reader_of(board.id)
    for item in claim.sets:
        topic, fraction = item.task, number(item.fraction)
        if item.recount is not None:
            share = item.recount.correct / item.recount.examples
            how = f", executed with {item.recount.toolchain}" if item.recount.toolchain else ""
            counted = f"{item.recount.correct}/{item.recount.examples} in the generations{how}"
            if fraction is not None and item.fraction is not None:
                yield verdict(
                    f"{topic}: accuracy file",
                    isclose(fraction, share, abs_tol=1e-9)
                    or (digits(item.fraction) >= AS_PERCENT and agrees(item.fraction, share)),
                    item.fraction.text[:12],
                    counted,
                )
        if item.percent is not None:
            basis = fraction
            if basis is None and item.recount is not None:
                basis = item.recount.correct / item.recount.examples
            if basis is not None:
                yield verdict(
                    f"{topic}: README",
                    agrees(item.percent, 100 * basis),
                    f"{item.percent.text} %",
                    f"{100 * basis:.4f} % in its files",
                )
        for other in item.elsewhere:
            stated = item.percent or other
            expected = f"{stated.text} %, as {stated.file} says"
            yield ClaimFinding(f"{topic}: {other.file}", "contradicts", f"{other.text} %", expected)
        absent = [
            name for name, value in (
                ("README figure", item.percent), ("accuracy file", item.fraction),
                # Programs are executed when somebody asks for it, and their absence is no fault.
                ("generations", item.recount if reader.rederivable else item),
            ) if value is None
        ]  # fmt: skip
        if absent:
            yield ClaimFinding(topic, "missing", f"no {', no '.join(absent)}", ALL_OF_A_SCORE)


def rows(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """The evaluated rows are the official ones."""
    for item in claim.sets:
        if item.recount is None:
            continue
        expected = board.rows[item.task]
        if item.recount.examples != expected:
            found = f"{item.recount.examples:,} rows"
            yield ClaimFinding(f"{item.task}: rows", "contradicts", found, f"{expected:,} rows")
        elif item.recount.rows == "official":
            yield ClaimFinding(
                f"{item.task}: rows",
                "recomputes",
                f"all {expected} prompts and answers",
                "official",
            )
        elif item.recount.rows == "other":
            yield ClaimFinding(
                f"{item.task}: rows", "contradicts", item.recount.problem, "the official rows"
            )


def average(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """The average is the plain mean of the sets."""
    stated = [number(item.percent) for item in claim.sets]
    if claim.average is None:
        yield ClaimFinding("average", "missing", "no average in the README", "the plain mean")
        return
    if None not in stated and stated:
        values = [value for value in stated if value is not None]
        mean = sum(values) / len(values)
        slack = 10.0 ** -digits(claim.average) + 0.005
        found = number(claim.average) or 0.0
        yield verdict(
            "average",
            abs(found - mean) < slack,
            f"{claim.average.text} %",
            f"{mean:.4f} %: the mean of its own figures",
        )
    fractions = [number(item.fraction) for item in claim.sets]
    if None not in fractions and fractions:
        mean = 100 * sum(value for value in fractions if value is not None) / len(fractions)
        holds = agrees(claim.average, mean) or abs((number(claim.average) or 0) - mean) < 0.02
        yield verdict(
            "average of the files", holds, f"{claim.average.text} %", f"{mean:.4f} % from its files"
        )


def twins(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """Two sets of unlike size do not share a figure."""
    seen: dict[str, str] = {}
    for item in claim.sets:
        if item.percent is None or digits(item.percent) < 2:
            continue
        first = seen.setdefault(item.percent.text, item.task)
        if first != item.task and board.rows[first] != board.rows[item.task]:
            yield ClaimFinding(
                f"{item.task}: twin",
                "contradicts",
                f"{item.percent.text} % for {first} as well",
                "a figure of its own",
            )


def costs(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """Runtime, price and cost follow from each other."""
    item = claim.costs
    seconds, clock = number(item.seconds), item.clock
    if seconds is not None and clock is not None and item.seconds is not None:
        match = re.fullmatch(r"(\d+):(\d\d):(\d\d)", clock.text)
        if match:
            hours, minutes, rest = map(int, match.groups())
            stated = 3600 * hours + 60 * minutes + rest
            whole = int(seconds)
            text = f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
            yield verdict(
                "runtime",
                abs(stated - seconds) <= 1.0,
                f"{item.seconds.text} s ({clock.text})",
                text,
            )
    per_hour, total = number(item.per_hour), number(item.total)
    prices = [value for value in map(number, item.prices) if value is not None]
    if per_hour is not None and item.per_hour is not None and prices:
        yield verdict(
            "price table",
            isclose(sum(prices), per_hour, abs_tol=1e-3),
            f"{item.per_hour.text} $/h",
            f"{sum(prices):.4f} $/h: the sum of its items",
        )
    if per_hour is not None and total is not None and seconds is not None and item.total:
        value = per_hour * seconds / 3600
        yield verdict(
            "cost",
            abs(value - total) <= 10.0 ** -digits(item.total),
            f"${item.total.text}",
            f"${value:.4f}: {seconds} s at {per_hour} $/h",
        )


def absent(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """A claim lacks what a record would hold, and what could not be read is named."""
    if not claim.adapter_config:
        yield ClaimFinding("adapter", "missing", "no adapter_config.json", "the adapter's own")
    for text in claim.unread:
        yield ClaimFinding("not read", "missing", text, "something that can mean one thing")


CHECKS: tuple[Check, ...] = (
    fixed_values, possible, scores, rows, evaluation_settings, command, average, twins,
    communication, costs, settings, absent,
)  # fmt: skip
