"""Communication of a claim: the figure, the log, and what the adapter's shapes give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from harness.boards.board import Board, board_names, load_board
from harness.claims.figures import ClaimFinding, digits, number, verdict
from harness.claims.record import ClaimRecord
from harness.components import Shapes
from harness.document.units import MIB
from harness.errors import PluginError
from harness.planning.forecast import message_bytes, message_bytes_legacy
from harness.verify.independent.adapter_shapes import known_shapes
from harness.verify.independent.known_models import known_model

UNITS_MIB = {
    "mb": 1.0, "mib": 1.0, "megabytes": 1.0, "gb": 1024.0, "gib": 1024.0, "gigabytes": 1024.0,
}  # fmt: skip
"""Unit in a README, lower case -> MiB. Upstream writes MB and GB for 2^20 and 2^30 bytes."""


MAX_RANK = 65_536
"""Largest rank that is believed; the widest layer of a known model has 18,944 features."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a claim's adapter and settings give."""

    one_mib: dict[str, float]
    """Count (`legacy`, `message`) -> MiB of one message."""
    clients: int
    rounds: int
    parameters: int
    """Number of the adapter's weights."""
    certain: bool
    """Whether the target modules are stated; peft's default may have been changed in code."""

    def total_mib(self, count: str) -> float:
        """MiB of the whole run by one of the two counts."""
        return 2 * self.clients * self.rounds * self.one_mib[count]


def derive_traffic(claim: ClaimRecord, board: Board) -> Traffic | None:
    """Return what the claim's adapter sends, or None when model or settings are not known."""
    config = claim.config
    if config.rounds is None or config.fraction is None:
        return None
    if not (0 < config.rounds <= 10**6 and 0 < config.fraction <= 1):
        return None
    shapes = adapter_of(claim)
    if shapes is None:
        return None
    return Traffic(
        {"legacy": message_bytes_legacy(shapes) / MIB, "message": message_bytes(shapes) / MIB},
        board.clients_per_round(config.fraction),
        config.rounds,
        sum(map(prod, shapes.values())),
        config.targets is not None,
    )


def adapter_of(claim: ClaimRecord) -> Shapes | None:
    """Return the tensors of a claim's adapter, or None when the claim does not decide them."""
    config = claim.config
    model = known_model(claim.stated.model or "") or known_model(config.model or "")
    if model is None or config.rank is None or not 0 < config.rank <= MAX_RANK:
        return None
    targets = model.default_targets if config.targets is None else config.targets
    method = "standard/dora" if config.dora else "standard/lora"
    try:
        # Without targets there is no adapter.
        return known_shapes(method, model, {}, targets, config.rank) or None
    except PluginError:
        return None  # A target that is no linear layer, such as an embedding.


def communication(claim: ClaimRecord, board: Board) -> Iterator[ClaimFinding]:
    """The figure is a whole run of that adapter's messages, and agrees with the log."""
    stated, traffic = claim.traffic.stated, derive_traffic(claim, board)
    log = number(claim.traffic.log_total)
    value = number(stated)
    scale = UNITS_MIB.get(stated.unit.lower()) if stated is not None else None
    if stated is None or value is None or scale is None:
        yield ClaimFinding("communication", "missing", "no figure in the README", "MiB of the run")
    else:
        mib, slack = value * scale, scale * 10.0 ** -digits(stated)
        text = f"{stated.text} {stated.unit}"
        if mib > board.limit_mib:
            yield ClaimFinding(
                "communication: limit", "contradicts", text, f"{board.limit_mib} MiB"
            )
        if traffic is not None:
            yield _whole_run("communication", text, mib, slack, traffic)
        if log is not None:
            note = "; its unit is 1000 MiB" if scale > 1 and abs(value * 1000 - log) <= 10 else ""
            basis = f"{log:.2f} MiB at the end of its log{note}"
            yield verdict("communication: log", abs(log - mib) <= slack, text, basis)
    if traffic is not None and log is not None:
        yield _whole_run("communication: shapes", f"{log:.2f} MB in the log", log, 0.011, traffic)
    yield from _log_rounds(claim)
    yield from _log_clients(claim)


def _whole_run(topic: str, text: str, mib: float, slack: float, traffic: Traffic) -> ClaimFinding:
    for count in traffic.one_mib:
        expected = traffic.total_mib(count)
        if abs(mib - expected) <= slack:
            basis = f"{expected:.2f} MiB from the adapter's shapes ({count} count)"
            return ClaimFinding(topic, "recomputes", text, basis)
    expected = traffic.total_mib("legacy")
    formula = f"2 x {traffic.clients} clients x {traffic.rounds} rounds x one message"
    note = _diagnosis(mib, slack, traffic)
    if not note and not traffic.certain:
        why = f"target modules are not stated; with peft's default it is {expected:.2f} MiB"
        return ClaimFinding(topic, "missing", text, why)
    return ClaimFinding(topic, "contradicts", text, f"{expected:.2f} MiB: {formula}{note}")


def _diagnosis(mib: float, slack: float, traffic: Traffic) -> str:
    """Say what a wrong figure is, where one well-known mistake explains it exactly."""
    for count, one in traffic.one_mib.items():
        expected = traffic.total_mib(count)
        if abs(mib - expected * (2 * traffic.rounds - 1) / (2 * traffic.rounds)) <= slack:
            return "; it lacks the last half round"
        if abs(mib - expected * MIB / 1e6) <= slack:
            return "; it counts 10^6 bytes as one MB"
        if abs(mib - expected * 1024 / 1000) <= slack:
            return "; it takes 1000 MiB for a GiB"
        others = (load_board(name) for name in board_names())
        for clients in sorted({item.clients_per_round(0.1) for item in others}):
            other = 2 * clients * traffic.rounds * one
            if clients != traffic.clients and abs(mib - other) <= slack:
                return f"; it is what {clients} clients a round would send"
    return ""


def _log_rounds(claim: ClaimRecord) -> Iterator[ClaimFinding]:
    step, log = number(claim.traffic.log_step), number(claim.traffic.log_total)
    rounds = claim.config.rounds
    if not step or log is None or rounds is None:
        return
    counted = log / step
    # The step is printed with two decimals, so the count is known up to that rounding.
    slack = 0.02 + 0.005 * (counted + 1) / step
    found = f"{log:.2f} MB in steps of {step:.2f}: {counted:.1f} half rounds"
    expected = f"{2 * rounds} half rounds for {rounds} rounds"
    yield verdict("communication: rounds", abs(counted - 2 * rounds) <= slack, found, expected)


def _log_clients(claim: ClaimRecord) -> Iterator[ClaimFinding]:
    """Every sampled client trained: a shorter step is a client that failed and was left out."""
    steps = {float(text): count for text, count in claim.traffic.log_steps.items()}
    if len(steps) < 2:
        return
    largest = max(steps)
    short = sum(count for step, count in steps.items() if step < largest - 0.011)
    if short:
        found = f"{short} of {claim.traffic.log_lines} log lines add less than {largest:.2f} MB"
        expected = "one size: a client that fails is silently left out of the average"
        yield ClaimFinding("communication: clients", "contradicts", found, expected)
