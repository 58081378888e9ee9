"""Checking a claim: it is one, and what it says of itself.

A claim is an honest copy of what a project says, so that contradictions in it are warnings about
the project, not errors of the claim. An error means that the claim is not what the importer writes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from harness.boards.board import load_board
from harness.claims.figures import number
from harness.claims.findings import claim_findings
from harness.claims.record import ClaimRecord, migrate_claim
from harness.document import parse_document
from harness.document.exact import inexact
from harness.document.reading import STRANGER, decode, parse_json, read_bytes, walk
from harness.document.units import MIB
from harness.errors import RecordError
from harness.record.file_names import CARD, CLAIM
from harness.verify.report import Finding, Severity
from harness.verify.rule import Rule
from harness.verify.rules.run.times_and_costs import moment_of
from harness.verify.targets import Target

SEVERITY: dict[str, Severity] = {"contradicts": "warning", "missing": "note", "recomputes": "note"}
MAX_CLAIM_FILES = 10

MAX_CLAIM_BYTES = {CLAIM: 4 * MIB, CARD: MIB // 4}

CLAIM_FORMAT = "harness claim format"
SCHEMA_RULE = Rule(
    "claim-schema", "A claim has the fields of its schema version", CLAIM_FORMAT, file=CLAIM
)
FORM_RULE = Rule(
    "claim-form",
    "A claim is what the importer writes: counts, digests, sets, place",
    CLAIM_FORMAT,
    file=CLAIM,
)
FILES_RULE = Rule(
    "claim-files",
    "A claim's folder holds claim.json and perhaps README.md",
    CLAIM_FORMAT,
    file=CLAIM,
)
HOLDS_RULE = Rule("claim", "What the project says of itself holds", CLAIM_FORMAT, file=CLAIM)
CLAIM_RULES = (SCHEMA_RULE, FORM_RULE, FILES_RULE, HOLDS_RULE)


def check_claim(
    target: Target,
) -> tuple[ClaimRecord | None, dict[str, tuple[int, str]], list[Finding]]:
    """Check one claim; its file is opened once.

    Returns:
        The claim, when it is one; file -> (bytes, sha256) of what was read; the findings.
    """
    findings = list(other_files(target))
    digests: dict[str, tuple[int, str]] = {}
    try:
        data = read_bytes(target.record, MAX_CLAIM_BYTES[CLAIM], STRANGER)
        digests[CLAIM] = (len(data), hashlib.sha256(data).hexdigest())
        value = parse_json(decode(data, CLAIM), CLAIM, STRANGER)
        claim = parse_document(ClaimRecord, migrate_claim(value, CLAIM), CLAIM)
    except RecordError as error:
        return None, digests, [*findings, _finding(target, SCHEMA_RULE, str(error), "a claim")]
    wrong = [
        _finding(target, FORM_RULE, found, expected)
        for found, expected in malformed(claim, value, target)
    ]
    if wrong:
        return claim, digests, [*findings, *wrong]
    findings += [
        _finding(
            target, HOLDS_RULE, f"{item.topic}: {item.found}", item.expected, SEVERITY[item.kind]
        )
        for item in claim_findings(claim)
        if item.kind != "recomputes"
    ]
    return claim, digests, findings


def malformed(claim: ClaimRecord, value: Any, target: Target) -> Iterator[tuple[str, str]]:
    """Yield (found, expected) of what the importer would not have written.

    Args:
        claim: as it was read.
        value: as it stands in the file.
        target: where it lies.
    """
    # Older claims lack fields that came later; no digest is taken over a claim's form.
    for place, found, expected in inexact(value, claim.to_json(), None):
        yield f"{place}: {found!r}", repr(expected)
    for text in texts_of(value):
        if not text.isprintable():
            yield text, "one printable line"
    if moment_of(claim.imported) is None:
        yield f"imported {claim.imported}", "a UTC time that exists"
    board = load_board(claim.challenge)
    tasks = [item.task for item in claim.sets]
    if tasks != list(board.rows):
        yield f"sets {tasks}", f"{list(board.rows)}"
        return
    quotes = [claim.average, claim.traffic.stated, claim.traffic.log_total, claim.traffic.log_step]
    quotes += [claim.costs.seconds, claim.costs.total, claim.costs.per_hour, *claim.costs.prices]
    for item in claim.sets:
        quotes += [item.percent, item.fraction, *item.elsewhere]
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
    if target.filed is not None and target.filed != (claim.challenge, claim.name):
        yield f"{claim.challenge}/{claim.name} in {'/'.join(target.filed)}", "the same place"


def texts_of(value: Any) -> Iterator[str]:
    """Yield every key and every text inside a JSON value."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending += [*item, *item.values()]
        elif isinstance(item, list):
            pending += item


def other_files(target: Target) -> Iterator[Finding]:
    """Yield what has no place in a claim's folder; nothing is opened."""
    if target.folder is None:
        return
    try:
        entries = list(walk(target.folder, MAX_CLAIM_FILES))
    except (RecordError, OSError) as error:
        yield _finding(target, FILES_RULE, str(error), FILES_RULE.title)
        return
    for name, entry in entries:
        if name not in (CLAIM, CARD) or not entry.is_file(follow_symlinks=False):
            yield _finding(target, FILES_RULE, name, FILES_RULE.title)
        elif entry.stat(follow_symlinks=False).st_size > MAX_CLAIM_BYTES[name]:
            yield _finding(target, FILES_RULE, name, f"{MAX_CLAIM_BYTES[name]:,} bytes at most")


def _finding(
    target: Target, rule: Rule, found: str, expected: str, severity: Severity | None = None
) -> Finding:
    return rule.finding(f"{target.name}/{CLAIM}", found, expected, severity)
