"""Checking a claim: it is one, and what it says of itself.

A claim is an honest copy of what a project says, so that contradictions in it are warnings about
the project, not errors of the claim. An error means that the claim is not what the importer writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.boards.board import load_board
from harness.claims.figures import number
from harness.claims.findings import claim_findings
from harness.claims.record import ClaimRecord, migrate_claim
from harness.document import parse_document
from harness.document.reading import STRANGER, read_json, walk
from harness.errors import RecordError
from harness.verify.files.layout import CARD, CLAIM, MAX_BYTES
from harness.verify.report import Finding, Severity, shown
from harness.verify.targets import Target

SEVERITY: dict[str, Severity] = {"contradicts": "warning", "missing": "note", "recomputes": "note"}
MAX_CLAIM_FILES = 10

CLAIM_FORMAT = "harness claim format"
"""Where the rules of claims come from."""

TITLES = {
    "claim-schema": "A claim has the fields of its schema version",
    "claim-form": "A claim is what the importer writes: counts, digests, sets, place",
    "claim-files": "A claim's folder holds claim.json and perhaps README.md",
    "claim": "What the project says of itself holds",
}


def check_claim(target: Target) -> tuple[ClaimRecord | None, list[Finding]]:
    """Return a claim, when it is one, and its findings."""
    findings = list(_other_files(target))
    try:
        value = read_json(target.record, MAX_BYTES[CLAIM], STRANGER)
        claim = parse_document(ClaimRecord, migrate_claim(value, CLAIM), CLAIM)
    except RecordError as error:
        return None, [*findings, _finding(target, "claim-schema", "error", str(error), "a claim")]
    wrong = [
        _finding(target, "claim-form", "error", found, expected)
        for found, expected in malformed(claim, target)
    ]
    if wrong:
        return claim, [*findings, *wrong]
    findings += [
        _finding(target, "claim", SEVERITY[item.kind], f"{item.topic}: {item.found}", item.expected)
        for item in claim_findings(claim)
        if item.kind != "recomputes"
    ]
    return claim, findings


def malformed(claim: ClaimRecord, target: Target) -> Iterator[tuple[str, str]]:
    """Yield (found, expected) of what the importer would not have written."""
    board = load_board(claim.challenge)
    tasks = [item.task for item in claim.sets]
    if tasks != list(board.rows):
        yield f"sets {tasks}", f"{list(board.rows)}"
        return
    quotes = [claim.average, claim.traffic.stated, claim.traffic.log_total, claim.traffic.log_step]
    quotes += [claim.costs.seconds, claim.costs.total, claim.costs.per_hour, *claim.costs.prices]
    for item in claim.sets:
        quotes += [item.percent, item.fraction]
        count = item.recount
        if count is None:
            continue
        if count.bits.count("1") != count.correct or len(count.bits) != count.examples:
            stated = f"{item.task}: {count.correct}/{count.examples}"
            yield stated, f"{count.bits.count('1')}/{len(count.bits)}, as its rows say"
        if claim.files.get(count.file) != count.sha256:
            yield f"{item.task}: {count.file}", "listed in `files` with the same digest"
        if count.rows == "official" and count.examples != board.rows[item.task]:
            yield f"{item.task}: {count.examples} official rows", str(board.rows[item.task])
    for step, lines in claim.traffic.log_steps.items():
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,4})?", step) or lines < 1:
            yield f"step {step}: {lines} lines", "a size in MB and a number of lines"
    for quote in quotes:
        if quote is not None and number(quote) is None:
            yield quote.text, "a number"
    if target.folder is not None:
        folder = target.folder.resolve()
        submitted = folder.parent.parent.name == "submissions"
        if submitted and (claim.challenge, claim.name) != (folder.parent.name, folder.name):
            yield f"{claim.challenge}/{claim.name}", f"{folder.parent.name}/{folder.name}"


def _other_files(target: Target) -> Iterator[Finding]:
    if target.folder is None:
        return
    try:
        entries = list(walk(target.folder, MAX_CLAIM_FILES))
    except (RecordError, OSError) as error:
        yield _finding(target, "claim-files", "error", str(error), TITLES["claim-files"])
        return
    for name, entry in entries:
        if name not in (CLAIM, CARD) or not entry.is_file(follow_symlinks=False):
            yield _finding(target, "claim-files", "error", name, TITLES["claim-files"])
        elif entry.stat(follow_symlinks=False).st_size > MAX_BYTES[name]:
            yield _finding(target, "claim-files", "error", name, f"{MAX_BYTES[name]} bytes at most")


def _finding(target: Target, rule: str, severity: Severity, found: str, expected: str) -> Finding:
    path = f"{target.name}/{CLAIM}"
    return Finding(
        rule=rule, severity=severity, path=path, found=shown(found), expected=shown(expected)
    )
