"""A path becomes findings: read what is there, within bounds, and apply every rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from harness.boards.challenge import Challenge, challenge_names, load_challenge
from harness.claims.record import ClaimRecord
from harness.document import parse_document
from harness.errors import HarnessError, RecordError, did_you_mean
from harness.record.result import ResultRecord, migrate
from harness.spec import SPEC_VERSION
from harness.claims.check import check_claim
from harness.verify.report import Finding, Report, shown
from harness.verify.files.generations import Generations, read_generations
from harness.verify.rules.entry.ladder import Evidence, Rung, parse_ladder
from harness.verify.files.layout import (
    ADAPTER_CONFIG,
    CARD,
    EVIDENCE,
    GENERATIONS,
    LADDER,
    MANIFEST,
    MAX_BYTES,
    MAX_EVIDENCE_BYTES,
    MAX_GENERATIONS_BYTES,
    RESULT,
    ROWS,
    list_files,
    read_manifest,
)
from harness.submissions.parallel import each
from harness.document.reading import STRANGER, read_json, read_text
from harness.verify.submission import Subject
from harness.verify.all_rules import BY_ID, RECORD_RULES
from harness.verify.targets import Target, find_targets

T = TypeVar("T")


@dataclass
class Checked:
    """One target with what was found."""

    target: Target
    subject: Subject | None
    findings: list[Finding] = field(default_factory=list)
    claim: ClaimRecord | None = None

    @property
    def clean(self) -> bool:
        """Whether there is no finding of severity `error`."""
        known = self.subject is not None or self.claim is not None
        return known and not any(item.severity == "error" for item in self.findings)


def verify(paths: Iterable[Path]) -> Report:
    """Check every record and submission under `paths`.

    Raises:
        RecordError: a path has nothing to check.
    """
    targets = [target for path in paths for target in find_targets(path)]
    findings = (finding for found in each(findings_of, targets) for finding in found)
    return Report.of((target.name for target in targets), findings)


def findings_of(target: Target) -> list[Finding]:
    """Check one target and return its findings only."""
    return check(target).findings


def check(target: Target) -> Checked:
    """Check one record, submission folder, run directory or claim."""
    if target.kind == "claim":
        claim, findings = check_claim(target)
        return Checked(target, None, findings, claim)
    return _Reader(target).check()


class _Reader:
    """Reads the files of one target and collects what is wrong with them."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.findings: list[Finding] = []
        self.digests: dict[str, tuple[int, str]] = {}
        self.refused: frozenset[str] = frozenset()
        self.raw: dict[str, Any] = {}

    def add(self, rule: str, place: str, found: object, expected: object) -> None:
        """Add a finding of a rule that is applied while reading."""
        path = f"{self.target.name}/{place}" if place and self.target.folder else self.target.name
        self.findings.append(
            Finding(
                rule=rule,
                severity=BY_ID[rule].severity,
                path=path,
                found=shown(found),
                expected=shown(expected),
            )
        )

    def attempt(self, name: str, rule: str, read: Callable[..., T], *arguments: object) -> T | None:
        """Return `read(*arguments)`, or None with a finding when the file is not readable."""
        try:
            return read(*arguments)
        except HarnessError as error:
            message = str(error)
            self.add(rule, name, message, BY_ID[rule].title)
            return None

    def check(self) -> Checked:
        """Read everything and apply the rules."""
        self._list()
        record = self._record()
        challenge = self._challenge(record)
        if record is None or challenge is None:
            return Checked(self.target, None, self.findings)
        subject = self._subject(record, challenge)
        for rule in RECORD_RULES:
            self.findings.extend(rule.findings(subject))
        return Checked(self.target, subject, self.findings)

    def _list(self) -> None:
        folder = self.target.folder
        if folder is None:
            return
        listing = list_files(folder)
        self.digests = listing.digests
        self.refused = frozenset(place for _, place, _, _ in listing.breaches)
        if self.target.kind == "submission":
            for rule, place, found, expected in listing.breaches:
                self.add(rule, place, found, expected)

    def _record(self) -> ResultRecord | None:
        name = self.target.record.name
        path = self.target.record
        # In a tuple, because `null` is a value too, and not a record.
        found = self.attempt(name, "readable", lambda: (read_json(path, MAX_BYTES[RESULT], STRANGER),))
        if found is None:
            return None

        def parse() -> ResultRecord:
            self.raw = migrate(found[0], name)
            record = parse_document(ResultRecord, self.raw, name)
            if not 1 <= record.spec.schema_version <= SPEC_VERSION:
                raise RecordError(
                    f"{name}: spec.schema_version {record.spec.schema_version};"
                    f" this harness reads 1..{SPEC_VERSION}: install a newer one"
                )
            return record

        return self.attempt(name, "schema", parse)

    def _challenge(self, record: ResultRecord | None) -> Challenge | None:
        if record is None:
            return None
        known = challenge_names()
        if record.challenge.id not in known:
            hint = did_you_mean(record.challenge.id, known)
            self.add("schema", self.target.record.name, record.challenge.id, f"a challenge; {hint}")
            return None
        return official_challenge(record.challenge.id)

    def _subject(self, record: ResultRecord, challenge: Challenge) -> Subject:
        folder, is_submission = self.target.folder, self.target.kind == "submission"
        values: dict[str, Any] = {}
        generations: dict[str, Generations] = {}
        evidence: list[Evidence] = []
        manifest: dict[str, tuple[int, str]] | None = None
        ladder: tuple[Rung, ...] = ()
        if folder is not None:
            for name in self.digests:
                path = folder / name
                if name in (ADAPTER_CONFIG, ROWS):
                    values[name] = self._value(name, path, MAX_BYTES[name])
                elif name == CARD and is_submission:
                    self.attempt(name, "readable", read_text, path, MAX_BYTES[CARD], STRANGER)
                elif name == MANIFEST:
                    manifest = self.attempt(name, "readable", read_manifest, path)
                elif name == LADDER:
                    ladder = self._ladder(name, path)
                elif (match := GENERATIONS.fullmatch(name)) is not None:
                    item = self._generations(name, path)
                    if item is not None:
                        generations[match.group(1)] = item
                elif EVIDENCE.fullmatch(name) is not None:
                    evidence += self._evidence(name, path)
        config = values.get(ADAPTER_CONFIG)
        return Subject(
            name=self.target.name,
            record=record,
            raw=self.raw,
            challenge=challenge,
            folder=folder,
            is_submission=is_submission,
            generations=generations,
            adapter_config=config if isinstance(config, dict) else None,
            digests=self.digests,
            refused=self.refused,
            manifest=manifest,
            bits=self._bits(values.get(ROWS)),
            ladder=ladder,
            evidence=tuple(evidence),
        )

    def _value(self, name: str, path: Path, limit: int) -> Any:
        return self.attempt(name, "readable", read_json, path, limit, STRANGER)

    def _ladder(self, name: str, path: Path) -> tuple[Rung, ...]:
        value = self._value(name, path, MAX_BYTES[LADDER])
        return self.attempt(name, "readable", parse_ladder, value, name) or ()

    def _generations(self, name: str, path: Path) -> Generations | None:
        if self.target.kind == "run":
            from harness.verify.files.run_generations import read_run_generations

            return self.attempt(name, "readable", read_run_generations, path)
        return self.attempt(name, "readable", read_generations, path, MAX_GENERATIONS_BYTES)

    def _evidence(self, name: str, path: Path) -> list[Evidence]:
        value = self._value(name, path, MAX_EVIDENCE_BYTES)
        item = self.attempt(name, "readable", parse_document, Evidence, value, name)
        if item is not None and f"evidence/{item.level}.json" != name:
            self.add("readable", name, item.level, "the level that the file is named for")
        return [] if item is None else [item]

    def _bits(self, value: Any) -> dict[str, str] | None:
        if value is None:
            return None
        usable = isinstance(value, dict) and all(
            isinstance(item, str) and set(item) <= {"0", "1"} for item in value.values()
        )
        if not usable:
            self.add("readable", ROWS, value, 'task -> a text of "0" and "1"')
            return None
        return dict(value)


@lru_cache
def official_challenge(name: str) -> Challenge:
    """Return the harness's own copy of a challenge, loaded once."""
    return load_challenge(name)
