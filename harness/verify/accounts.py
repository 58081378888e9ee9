"""Rules on time, money, versions and data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import isclose

from packaging.version import InvalidVersion, Version

from harness.document import sha256_text
from harness.verify.rule import Breach, Rule
from harness.verify.subject import Subject

NEEDED_PACKAGES = ("flwr", "torch", "transformers", "peft", "datasets", "numpy")
"""Versions of these decide numbers."""

UTC_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)")

CLOCK_SKEW = timedelta(days=1)


def created(subject: Subject) -> Iterator[Breach]:
    """The record was made after the rules it follows, and not in the future."""
    text = subject.record.created
    if not UTC_TIME.fullmatch(text):
        yield "created", text, "a UTC time, 2026-03-29T12:00:00Z"
        return
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        yield "created", text, "a day and time that exist"
        return
    if moment.date().isoformat() < subject.challenge.date:
        yield "created", text, f"not before the challenge's revision of {subject.challenge.date}"
    if moment > datetime.now(UTC) + CLOCK_SKEW:
        yield "created", text, "not in the future"


def timing(subject: Subject) -> Iterator[Breach]:
    """Stages take no less than nothing, and the federation no less than its rounds."""
    stages = subject.record.timing
    for name, seconds in stages.items():
        if seconds < 0:
            yield f"timing.{name}", seconds, "0 or more seconds"
    rounds = sum(item.duration_s for item in subject.record.federation.rounds)
    if "federate" not in stages:
        yield "timing", sorted(stages), "a stage `federate`"
    elif stages["federate"] < rounds * (1 - 1e-6) - 0.01:
        yield "timing.federate", stages["federate"], f"at least the rounds' {rounds:.3f} s"


def cost(subject: Subject) -> Iterator[Breach]:
    """The cost is the price table's sum times the measured hours."""
    price, found = subject.record.spec.price, subject.record.cost
    if price is None or found is None:
        if (price is None) != (found is None):
            yield "cost", found and found.total, "a cost exactly when spec.price has a table"
        return
    per_hour = sum(price.per_hour.values())
    hours = sum(subject.record.timing.values()) / 3600
    if found.currency != price.currency:
        yield "cost.currency", found.currency, price.currency
    if not isclose(found.per_hour, per_hour, rel_tol=1e-6, abs_tol=1e-9):
        yield "cost.per_hour", found.per_hour, per_hour
    if not isclose(found.hours, hours, rel_tol=1e-4, abs_tol=1e-4):
        yield "cost.hours", found.hours, f"{hours:.6f}: the stages' sum"
    if not isclose(found.total, found.per_hour * found.hours, rel_tol=1e-4, abs_tol=1e-4):
        yield "cost.total", found.total, f"{found.per_hour * found.hours:.6f}: hours times price"


def versions(subject: Subject) -> Iterator[Breach]:
    """The versions that decide numbers are there, and are versions."""
    environment = subject.record.environment
    missing = [name for name in NEEDED_PACKAGES if name not in environment.packages]
    if missing:
        yield (
            "environment.packages",
            f"no {', '.join(missing)}",
            "every package that decides numbers",
        )
    named = {**environment.packages, "python": environment.python}
    named |= {f"plugin {item.name}": item.version for item in subject.record.plugins}
    for name, text in named.items():
        try:
            Version(text)
        except InvalidVersion:
            yield f"environment: {name}", text, "a version, such as 1.41.0"


def device(subject: Subject) -> Iterator[Breach]:
    """The device is the one that the spec asks for."""
    found, spec = subject.record.environment.device, subject.record.spec
    if found.kind != spec.compute.device:
        yield "environment.device.kind", found.kind, spec.compute.device
    if found.threads != spec.compute.threads:
        yield "environment.device.threads", found.threads, spec.compute.threads
    if found.actors < 1:
        yield "environment.device.actors", found.actors, "1 or more"


def data(subject: Subject) -> Iterator[Breach]:
    """Training set, evaluation sets and model are recorded, and what is no pin has a note."""
    record, challenge = subject.record, subject.challenge
    listed = [(item.kind, item.name) for item in record.data]
    needed = [("training", challenge.dataset.name), ("model", record.spec.model.hub_id)]
    needed += [("evaluation", item.dataset) for item in challenge.evaluation]
    for kind, name in needed:
        if listed.count((kind, name)) != 1:  # type: ignore[arg-type]
            count = listed.count((kind, name))  # type: ignore[arg-type]
            yield "data", f"{count} records of {kind} {name}", "one"
    for item in record.data:
        if item.kind == "training" and not item.notes and item.rows != challenge.dataset.pin.rows:
            yield f"data: {item.name}", f"{item.rows} rows, no note", challenge.dataset.pin.rows
        if item.files and item.sha256 not in files_digests(item.files):
            yield f"data: {item.name}: sha256", item.sha256, files_digests(item.files)[0]
        rows = {e.dataset: e.rows for e in challenge.evaluation}.get(item.name)
        if item.kind != "training" and item.source != "synthetic" and item.rows != rows:
            yield f"data: {item.name}: rows", item.rows, rows
        if item.sha256 in challenge.dataset.pin.lookalikes and not item.notes:
            yield f"data: {item.name}", "a known look-alike, no note", "a note that says so"
        if item.source == "synthetic" and not record.spec.smoke:
            yield f"data: {item.name}", "synthetic", "data of the challenge, or a smoke run"
        if item.kind == "evaluation" and not item.notes and item.source != "synthetic":
            yield from _pinned(subject, item.name, item.files)


def files_digests(files: dict[str, str]) -> tuple[str, ...]:
    """Return what may stand for some files: the digest of their list, or of the only one."""
    lines = sha256_text("".join(f"{name}:{digest}\n" for name, digest in sorted(files.items())))
    return (next(iter(files.values())), lines) if len(files) == 1 else (lines,)


def _pinned(subject: Subject, name: str, files: dict[str, str]) -> Iterator[Breach]:
    for official in subject.challenge.evaluation:
        expected = set(official.sha256)
        if official.dataset == name and set(files.values()) != expected:
            yield f"data: {name}", sorted(files.values()), sorted(expected)


RULES = (
    Rule("created", "The record is of its time", "harness record format", created),
    Rule("timing", "Stages and rounds add up", "harness record format", timing),
    Rule("cost", "The cost is hours times price", "harness record format; recipe's price table",
         cost),
    Rule("versions", "Versions that decide numbers are recorded", "harness record format",
         versions),
    Rule("device", "The device is the spec's", "harness record format", device),
    Rule("data", "Data sets and model are recorded and pinned", "challenge file of the harness",
         data),
)  # fmt: skip
