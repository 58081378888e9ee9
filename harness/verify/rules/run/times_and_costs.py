"""Rules on when a run was made, how long it took and what it cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import isclose

from harness.record.machine import Energy, energy_of
from harness.record.result import STAGES
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

DRAWN = re.compile(r"[0-9a-f]{6}")
"""End of a run's name."""

COUNTRY = re.compile(r"[A-Z]{3}")

UTC_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)", re.ASCII)

CLOCK_SKEW = timedelta(days=1)

MOST_WATTS = 10_000
"""More than one processor package, its memory or one GPU draws."""

MOST_GRAMS_PER_KWH = 3_000
"""CO2 of a kilowatt-hour: of coal alone it is some 1,000, of an old oil or lignite plant 1,500."""


def moment_of(text: str) -> datetime | None:
    """Return a UTC time, or None when the text is none or names a day that does not exist."""
    if not UTC_TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def created(submission: Submission) -> Iterator[Breach]:
    """The record was made after the rules it follows, and not in the future."""
    text = submission.record.created
    moment = moment_of(text)
    if moment is None:
        yield "created", text, "a UTC time that exists, 2026-03-29T12:00:00Z"
        return
    if moment.date().isoformat() < submission.challenge.date:
        yield "created", text, f"not before the challenge's revision of {submission.challenge.date}"
    if moment > datetime.now(UTC) + CLOCK_SKEW:
        yield "created", text, "not in the future"


def run_id(submission: Submission) -> Iterator[Breach]:
    """The run is named for the moment it was composed and for its spec."""
    record, moment = submission.record, moment_of(submission.record.created)
    if moment is None:
        return  # `created` says so.
    expected = f"{moment:%Y%m%dT%H%M%SZ}-{record.spec_digest[:8]}-"
    end = record.run_id.removeprefix(expected)
    if end == record.run_id or not DRAWN.fullmatch(end):
        yield "run_id", record.run_id, f"{expected} and 6 hex digits: of `created` and spec_digest"


def timing(submission: Submission) -> Iterator[Breach]:
    """Every stage took time, the federation no less than its rounds, all no more than there was."""
    stages = submission.record.timing
    if sorted(stages) != sorted(STAGES):
        yield "timing", f"stages {', '.join(sorted(stages))}", " and ".join(STAGES)
    for name, seconds in stages.items():
        if seconds <= 0:
            yield f"timing.{name}", seconds, "more than 0 seconds"
    for index, item in enumerate(submission.record.federation.rounds):
        if item.duration_s <= 0:
            yield f"federation.rounds[{index}].duration_s", item.duration_s, "more than 0 seconds"
    rounds = sum(item.duration_s for item in submission.record.federation.rounds)
    federate = stages.get("federate", rounds)
    if federate < rounds * (1 - 1e-6) - 0.01:
        yield "timing.federate", federate, f"at least the rounds' {rounds:.3f} s"
    moment = moment_of(submission.record.created)
    if moment is not None:
        opened = datetime.fromisoformat(submission.challenge.date).replace(tzinfo=UTC)
        most = (moment - opened + CLOCK_SKEW).total_seconds()
        if sum(stages.values()) > most:
            yield "timing", f"{sum(stages.values()):.0f} s", f"{most:.0f} s at most: {opened:%F} on"


def cost(submission: Submission) -> Iterator[Breach]:
    """The cost is the price table's sum times the measured hours."""
    price, found = submission.record.spec.price, submission.record.cost
    if price is None or found is None:
        if (price is None) != (found is None):
            yield "cost", found and found.total, "a cost exactly when spec.price has a table"
        return
    per_hour = sum(price.per_hour.values())
    hours = sum(submission.record.timing.values()) / 3600
    if found.currency != price.currency:
        yield "cost.currency", found.currency, price.currency
    if not isclose(found.per_hour, per_hour, rel_tol=1e-6, abs_tol=1e-9):
        yield "cost.per_hour", found.per_hour, per_hour
    if not isclose(found.hours, hours, rel_tol=1e-4, abs_tol=1e-4):
        yield "cost.hours", found.hours, f"{hours:.6f}: the stages' sum"
    if not isclose(found.total, found.per_hour * found.hours, rel_tol=1e-4, abs_tol=1e-4):
        yield "cost.total", found.total, f"{found.per_hour * found.hours:.6f}: hours times price"


def energy(submission: Submission) -> Iterator[Breach]:
    """The energy is the sum of its parts, within the run's time, and CO2 follows from it."""
    found = submission.record.energy
    if found is None:
        return  # of before it was measured
    expected = energy_of(found)
    for name in ("joules", "co2_grams"):
        ours, theirs = getattr(expected, name), getattr(found, name)
        same = ours is not None and theirs is not None and isclose(ours, theirs, rel_tol=1e-9)
        if not same and ours != theirs:
            yield f"energy.{name}", theirs, f"{ours}: what follows from the parts"
    sampled = any(item.method == "nvml-power" and not item.estimated for item in found.parts)
    if sampled or found.estimated != expected.estimated:
        yield (
            "energy.estimated",
            found.estimated,
            "true exactly where a part is one",
        )
    if not found.parts and not found.notes:
        yield "energy.notes", "none", "why nothing was measured"
    total = sum(submission.record.timing.values())
    longest = max((item.seconds for item in found.parts), default=0.0)
    # Of each stage the counter that counted longest is added; nothing counts where no part is.
    most = min(total, sum(item.seconds for item in found.parts))
    if found.measured_s > most + bool(found.parts) or longest > found.measured_s + 0.01:
        counted = f"{longest} to {most:.3f} s: what the parts counted of the stages"
        yield "energy.measured_s", found.measured_s, counted
    yield from _possible(found, submission.record.spec.compute.device)


def _possible(found: Energy, device: str) -> Iterator[Breach]:
    """Yield what no machine draws, or no counter of this run counts."""
    names = [(item.what, item.method) for item in found.parts]
    if len(set(names)) < len(names):
        yield "energy.parts", [what for what, _ in names], "each part once"
    for index, item in enumerate(found.parts):
        place = f"energy.parts[{index}]"
        if item.joules > MOST_WATTS * item.seconds:
            most = f"{MOST_WATTS * item.seconds:g} J at most: {MOST_WATTS:,} W of one part"
            yield f"{place}.joules", item.joules, most
        if item.method != "rapl" and device != "cuda":
            yield f"{place}.method", item.method, f"rapl: a run on {device} counts no GPU"
    factor = found.factor
    if factor is not None and factor.grams_per_kwh > MOST_GRAMS_PER_KWH:
        yield "energy.factor.grams_per_kwh", factor.grams_per_kwh, f"{MOST_GRAMS_PER_KWH} at most"
    if factor is not None and not COUNTRY.fullmatch(factor.country):
        yield "energy.factor.country", factor.country, "three letters of ISO 3166, DEU"


RULES = (
    Rule("created", "The record is of its time", "harness record format", created),
    Rule("run-id", "The run is named for its time and its spec", "harness record format", run_id),
    Rule("timing", "Stages and rounds add up", "harness record format", timing),
    Rule("cost", "The cost is hours times price", "harness record format; recipe's price table",
         cost),
    Rule("energy", "The energy is its parts' sum within the run's time", "harness record format",
         energy),
)  # fmt: skip
