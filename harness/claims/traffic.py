"""Communication of a claim: the figure, the log, and what the adapter's shapes give."""

from __future__ import annotations

import itertools
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
from harness.verify.independent.known_models import KnownModel, known_model

UNITS_MIB = {
    "mb": 1.0, "mib": 1.0, "megabytes": 1.0, "gb": 1024.0, "gib": 1024.0, "gigabytes": 1024.0,
    "bytes": 1 / MIB, "kb": 1 / 1024, "kib": 1 / 1024, "tb": 1024.0**2, "tib": 1024.0**2,
    "ko": 1 / 1024, "mo": 1.0, "go": 1024.0, "to": 1024.0**2,
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
    if not (0 < config.rounds <= 10**6 and 0 < config.fraction <= 1) or config.beyond_rank:
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


def adapter_of(claim: ClaimRecord, targets: tuple[str, ...] | None = None) -> Shapes | None:
    """Return the tensors of a claim's adapter, or None when the claim does not decide them.

    Args:
        claim: whose settings are taken.
        targets: other target modules than the claim's.
    """
    config = claim.config
    model = model_of(claim)
    if model is None or config.rank is None or not 0 < config.rank <= MAX_RANK:
        return None
    if targets is None:
        targets = model.default_targets if config.targets is None else config.targets
    # peft adapts what is there: of qkv_proj and down_proj a Llama has the second alone.
    named = [item for item in named_targets(claim, targets) if item in _modules(model)]
    if not named:
        return None
    method = "standard/dora" if config.dora else "standard/lora"
    try:
        return known_shapes(method, model, {}, tuple(named), config.rank) or None
    except PluginError:
        return None  # A target that is no linear layer, such as an embedding.


def named_targets(claim: ClaimRecord, targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return target modules by name: `all` becomes every linear layer of a known model."""
    model = model_of(claim)
    if model is not None and set(targets) & {"all", "all-linear"}:
        return tuple(_modules(model))
    return ("all-linear",) if targets == ("all",) else targets


def model_of(claim: ClaimRecord) -> KnownModel | None:
    """Return the model whose shapes a claim's adapter has, where it is a known one."""
    return known_model(claim.stated.model or "") or known_model(claim.config.model or "")


def _modules(model: KnownModel) -> list[str]:
    """Return the last parts of the names of a model's linear layers, each once."""
    return list(dict.fromkeys(item.name.rpartition(".")[2] for item in model.linears()))


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
                "communication: limit", "contradicts", text, f"{board.limit_mib:,} MiB"
            )
        if traffic is not None:
            yield _whole_run("communication", text, mib, slack, traffic, claim)
        elif (why := _unknown(claim)) is not None:
            yield ClaimFinding("communication: shapes", "missing", text, why)
        if log is not None:
            note = "; its unit is 1000 MiB" if scale > 1 and abs(value * 1000 - log) <= 10 else ""
            basis = f"{log:.2f} MiB at the end of its log{note}"
            yield verdict("communication: log", abs(log - mib) <= slack, text, basis)
    if traffic is not None and log is not None:
        found = f"{log:.2f} MB in the log"
        yield _whole_run("communication: shapes", found, log, 0.011, traffic, claim)
    yield from _log_rounds(claim)
    yield from _log_clients(claim)


def _unknown(claim: ClaimRecord) -> str | None:
    """Return why the figure cannot be compared with the adapter's shapes."""
    config = claim.config
    if config.beyond_rank:
        return f"cannot be checked: its adapter has {', '.join(config.beyond_rank)}"
    if config.rank is None or config.rounds is None or config.fraction is None:
        lacking = [name for name in ("rank", "rounds", "fraction") if getattr(config, name) is None]
        return f"cannot be checked: {', '.join(lacking)} not stated"
    if model_of(claim) is None:
        name = claim.stated.model or config.model or "none stated"
        return f"cannot be checked: the shapes of this model are not known here ({name[:80]})"
    return f"cannot be checked: none of {', '.join(config.targets or ())[:200]} is a layer of it"


def _whole_run(
    topic: str, text: str, mib: float, slack: float, traffic: Traffic, claim: ClaimRecord
) -> ClaimFinding:
    for count in traffic.one_mib:
        expected = traffic.total_mib(count)
        if abs(mib - expected) <= slack:
            basis = f"{expected:.2f} MiB from the adapter's shapes ({count} count)"
            return ClaimFinding(topic, "recomputes", text, basis)
    expected = traffic.total_mib("legacy")
    formula = f"2 x {traffic.clients} clients x {traffic.rounds} rounds x one message"
    note = _diagnosis(mib, slack, traffic) or _other_targets(mib, slack, traffic, claim)
    if not note and not traffic.certain:
        why = f"{expected:.2f} MiB with peft's default, since target modules are not stated"
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


def _other_targets(mib: float, slack: float, traffic: Traffic, claim: ClaimRecord) -> str:
    """Say which target modules give a figure exactly, where one choice does, or one more or fewer.

    A list of six modules beside the figure of seven contradicts it: either may be wrong.
    """
    model = model_of(claim)
    stated = claim.config.targets
    if model is None:
        return ""
    modules = _modules(model)
    ours = frozenset(stated if stated is not None else model.default_targets) & frozenset(modules)
    fits: list[frozenset[str]] = []
    for size in range(1, len(modules) + 1):
        for choice in itertools.combinations(modules, size):
            shapes = adapter_of(claim, choice)
            if shapes is None:
                continue
            messages = 2 * traffic.clients * traffic.rounds / MIB
            sizes = (message_bytes_legacy(shapes) * messages, message_bytes(shapes) * messages)
            if any(abs(mib - size) <= slack for size in sizes):
                fits.append(frozenset(choice))
    near = [choice for choice in fits if len(choice ^ ours) == 1]
    fits = near if len(near) == 1 else fits
    if len(fits) != 1:
        return ""
    if stated is None:
        return f"; exact with target modules {', '.join(m for m in modules if m in fits[0])}"
    more = ", ".join(m for m in modules if m in fits[0] - ours)
    less = ", ".join(m for m in modules if m in ours - fits[0])
    how = " and ".join(filter(None, (f"with {more}" * bool(more), f"without {less}" * bool(less))))
    return f"; exact {how}: the list of target modules and the figure contradict each other"


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
