"""The entry of an imported claim: its own figures where nothing could be recounted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from harness.boards.board import load_board
from harness.claims.figures import number
from harness.claims.record import ClaimedSet, ClaimRecord
from harness.claims.settings import shown_setting
from harness.claims.traffic import UNITS_MIB, derive_traffic
from harness.document import pretty_json
from harness.document.units import MIB
from harness.leaderboard.entries.details import EntryDetails, Repetition
from harness.leaderboard.entries.entry import Entry, EntryFinding, EntryScore
from harness.leaderboard.entries.figures import counted, mean_of
from harness.record.file_names import CLAIM
from harness.verify.report import Finding, shown


def claim_entry(claim: ClaimRecord, findings: Iterable[Finding]) -> Entry:
    """Return the entry of a claim: its own figures where nothing could be recounted."""
    board = load_board(claim.challenge)
    scores = {}
    for item in claim.sets:
        score = _claim_score(item, board.rows[item.task])
        if score is not None:
            scores[item.task] = score
    complete = len(scores) == len(board.rows)
    average, low, high = mean_of(scores) if complete else (None, None, None)
    traffic = derive_traffic(claim, board)
    model = claim.stated.model or claim.config.model or "unknown"
    adapter = "DoRA" if claim.config.dora else "LoRA"
    rank = "" if claim.config.rank is None else f", rank {claim.config.rank}"
    return Entry(
        key=f"{claim.challenge}/{claim.name}",
        name=claim.name,
        kind="claim",
        title=claim.name,
        model=model,
        method=f"{adapter}{rank}",
        eligible=False,
        reasons=("an imported claim: nothing of it was run by the harness",),
        scores=scores,
        average=average,
        low=low,
        high=high,
        bytes_total=_claimed_bytes(claim),
        parameters=traffic.parameters if traffic is not None else None,
        rounds=claim.config.rounds,
        level="claimed",
        rungs=("claimed",),
        findings=tuple(
            EntryFinding(severity=f.severity, text=f"{f.found}; expected {f.expected}")
            for f in findings
        ),
        created=claim.imported,
        base_parameters=_base_parameters(model),
        peft=adapter.lower(),
    )


def claim_details(claim: ClaimRecord) -> EntryDetails:
    """Return what the page of a claim shows beyond its line of the table."""
    config = {
        key.replace("_", " "): shown_setting(value)
        for key, value in claim.config.model_dump().items()
        if value is not None
    }
    place = f"submissions/{claim.challenge}/{claim.name}"
    verify = Repetition(
        what="recount",
        earns="claimed",
        command=f"harness verify {shlex.quote(place)}",
        seconds=1.0,
        note="nothing of a claim was run; its own files are compared with what it says",
    )
    return EntryDetails(
        config={key: shown(value, 300) for key, value in config.items()},
        digests={item.task: item.recount.sha256 for item in claim.sets if item.recount is not None},
        source=claim.source if claim.source.startswith("https://") else "",
        repetitions=(verify,),
        files={CLAIM: len(pretty_json(claim.to_json()).encode())},
    )


def _base_parameters(model: str) -> int | None:
    """Return the size that a model's name states: `Qwen2.5-0.5B-Instruct` -> 500,000,000."""
    found = re.search(r"(?<![a-z0-9.])(\d{1,4}(?:\.\d{1,3})?)([bm])(?![a-z0-9])", model.lower())
    if found is None:
        return None
    return round(float(found[1]) * (10**9 if found[2] == "b" else 10**6))


def _claimed_bytes(claim: ClaimRecord) -> int | None:
    stated = claim.traffic.stated
    value = number(stated)
    if stated is None or value is None or stated.unit.lower() not in UNITS_MIB:
        return None
    return round(value * UNITS_MIB[stated.unit.lower()] * MIB)


def _claim_score(item: ClaimedSet, rows: int) -> EntryScore | None:
    if item.recount is not None:
        correct, examples, bits = item.recount.correct, item.recount.examples, item.recount.bits
        usable = bits if item.recount.rows == "official" else None
        return counted(correct, examples, usable)
    fraction, percent = number(item.fraction), number(item.percent)
    if fraction is None and percent is None:
        return None
    value = fraction if fraction is not None else (percent or 0.0) / 100
    if not 0 <= value <= 1:
        return None
    # Not recounted: the interval is that of the nearest whole number of rows.
    return counted(round(value * rows), rows, None)
