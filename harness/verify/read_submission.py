"""A path becomes a `Submission`: files are opened once, and what is digested is what is parsed.

A file of a stranger may be exchanged while it is checked. Were it opened once for its digest and
once for its content, the two could be of different files; so every file is read whole, digested and
parsed before the next one is opened, and rules see only what came of that.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge, challenge_names
from harness.boards.open_division import opened
from harness.document import parse_document, pretty_json, write_atomic
from harness.document.reading import STRANGER, open_plain, read_bytes, walk
from harness.errors import HarnessError, RecordError, UsageError, did_you_mean
from harness.record.file_names import MANIFEST, RESULT
from harness.record.result import ResultRecord, migrate
from harness.spec import SPEC_VERSION
from harness.verify.files.adapter_weights import read_adapter_weights
from harness.verify.files.layout import (
    MAX_FILES,
    MAX_RUN_ENTRIES,
    RUN_FILES,
    SUBMISSION_FILES,
    Kind,
    kind_of,
)
from harness.verify.official import official_challenge
from harness.verify.report import Finding
from harness.verify.rule import Rule
from harness.verify.submission import Submission
from harness.verify.targets import Target

SUBMISSION_FORMAT = "harness submission format"
PLAIN_FILES = Rule("plain-files", "Files are plain files, never links", SUBMISSION_FORMAT)
KNOWN_FILES = Rule("known-files", "Only files that submit writes", SUBMISSION_FORMAT)
FILE_SIZE = Rule("file-size", "Files have bounded sizes", SUBMISSION_FORMAT)
READABLE = Rule(
    "readable", "Files are strict UTF-8 JSON with harmless values", "RFC 8259, RFC 3629"
)
SCHEMA = Rule(
    "schema", "The record has the fields of its schema version", "leaderboard/result.schema.json"
)
READING_RULES = (PLAIN_FILES, KNOWN_FILES, FILE_SIZE, READABLE, SCHEMA)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not read, or not to its end, and the rule that it breaks."""

    rule: Rule
    file: str
    """Relative to the folder; empty for the folder itself."""
    found: object
    expected: object

    def finding(self, target: Target) -> Finding:
        """Return this as a finding."""
        inside = target.folder is not None and self.file
        path = f"{target.name}/{self.file}" if inside else target.name
        return self.rule.finding(path, self.found, self.expected)


@dataclass
class FilesRead:
    """The files of a folder after they were read."""

    digests: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Name -> (bytes, sha256)."""
    values: dict[str, Any] = field(default_factory=dict)
    """Field of `Submission` -> value; name -> value in turn where there may be several."""
    refusals: list[Refusal] = field(default_factory=list)

    def unread(self) -> Iterator[str]:
        """Yield why each file that has no digest was not read."""
        for item in self.refusals:
            if item.file not in self.digests:
                yield f"{item.rule.id} {item.file}: {item.found}"

    def refuse(self, rule: Rule, file: str, found: object, expected: object) -> None:
        """Note why a file is not read, or not to its end.

        Args:
            rule: what it breaks.
            file: its name in the folder.
            found: what is there.
            expected: what should be.
        """
        self.refusals.append(Refusal(rule, file, found, expected))


def read_submission(target: Target) -> tuple[Submission | None, FilesRead]:
    """Read a record, a submission folder or a run directory.

    Returns:
        The submission, or None when its record is not one; and what was read and refused.
    """
    if target.folder is None:
        files = FilesRead()
        kind = SUBMISSION_FILES[re.escape(RESULT)]
        _read_file(files, target.record, target.record.name, kind, None)
    else:
        files = read_files(target.folder, is_run=target.kind == "run")
    raw = files.values.pop("raw", None)
    record = _record(raw, target.record.name, files)
    challenge = _challenge(record, target.record.name, files)
    if record is None or challenge is None:
        return None, files
    # What another board's sets say cannot be asked of this one; the scores' rules name them.
    known = {item.task for item in challenge.evaluation}
    generations = files.values.get("generations", {})
    for name in [name for name in generations if name.partition(".")[0] not in known]:
        del generations[name]
    submission = Submission(
        name=target.name,
        record=record,
        raw=raw,
        challenge=challenge,
        folder=None if target.folder is None else target.folder.resolve(),
        filed=target.filed,
        is_submission=target.kind == "submission",
        digests=files.digests,
        refused=frozenset(item.file for item in files.refusals) - files.digests.keys(),
        **files.values,
    )
    return submission, files


def read_files(folder: Path, is_run: bool = False, parse: bool = True) -> FilesRead:
    """Read a folder's files; links are never followed, sizes and counts are bounded.

    Args:
        folder: a submission, or a run directory.
        is_run: whether it is a run directory: other files in it are nobody's business and are not
            opened.
        parse: whether the files' values are wanted, and not their digests alone.
    """
    files = FilesRead()
    kinds = RUN_FILES if is_run else SUBMISSION_FILES
    try:
        for name, entry in walk(folder, MAX_RUN_ENTRIES if is_run else MAX_FILES):
            known = kind_of(name, kinds)
            if is_run and known is None:
                continue
            if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
                files.refuse(PLAIN_FILES, name, "a link or special file", "a plain file")
            elif known is None:
                files.refuse(KNOWN_FILES, name, "a file of no use here", "only what submit writes")
            elif (size := entry.stat(follow_symlinks=False).st_size) > known[0].max_bytes:
                files.refuse(FILE_SIZE, name, f"{size:,} bytes", f"at most {known[0].max_bytes:,}")
            else:
                _read_file(files, entry.path, name, *known, parse=parse)
    except (RecordError, OSError) as error:
        files.refuse(KNOWN_FILES, "", str(error), "a small folder of plain, readable files")
    return files


def _read_file(
    files: FilesRead, path: Path | str, name: str, kind: Kind, part: str | None, parse: bool = True
) -> None:
    """Open one file, digest it and parse it; see `layout.kind_of` for `kind` and `part`."""
    try:
        if kind.parse is None:
            with open_plain(path, kind.max_bytes, STRANGER) as file:
                size = os.fstat(file.fileno()).st_size
                digest, value = read_adapter_weights(file, size, name)
        else:
            data = read_bytes(path, kind.max_bytes, STRANGER)
            size, digest = len(data), hashlib.sha256(data).hexdigest()
        files.digests[name] = (size, digest)
        if kind.parse is not None and parse:
            value = kind.parse(data, name)
    except HarnessError as error:
        files.refuse(READABLE, name, str(error), READABLE.title)
        return
    if not parse:
        return
    if part is None:
        files.values[kind.field] = value
    else:
        files.values.setdefault(kind.field, {})[part] = value


def _record(raw: Any, name: str, files: FilesRead) -> ResultRecord | None:
    # A file of `null` was read, and is no record; one that could not be read is refused already.
    if raw is None and any(item.file == name for item in files.refusals):
        return None
    try:
        record = parse_document(ResultRecord, migrate(raw, name), name)
        if not 1 <= record.spec.schema_version <= SPEC_VERSION:
            raise RecordError(
                f"{name}: spec.schema_version {record.spec.schema_version};"
                f" this harness reads 1..{SPEC_VERSION}: install a newer one"
            )
    except HarnessError as error:
        files.refuse(SCHEMA, name, str(error), SCHEMA.title)
        return None
    return record


def _challenge(record: ResultRecord | None, name: str, files: FilesRead) -> Challenge | None:
    if record is None:
        return None
    known = challenge_names()
    if record.challenge.id not in known:
        hint = did_you_mean(record.challenge.id, known)
        files.refuse(SCHEMA, name, record.challenge.id, f"a challenge; {hint}")
        return None
    official = official_challenge(record.challenge.id)
    try:
        return opened(official, record.spec.open)
    except UsageError as error:
        files.refuse(SCHEMA, name, f"spec.open: {error}", "changes that the open division allows")
        return None


def seal(folder: Path) -> None:
    """Write `manifest.json` for a submission's files as they are.

    Raises:
        RecordError: a file cannot be in a submission.
    """
    read = read_files(folder, parse=False)
    for item in read.refusals:
        raise RecordError(
            f"{folder / item.file}: {item.found}; rule {item.rule.id} keeps it out of a submission"
        )
    files = {
        name: {"bytes": size, "sha256": digest}
        for name, (size, digest) in sorted(read.digests.items())
        if name != MANIFEST
    }
    write_atomic(folder / MANIFEST, pretty_json({"files": files}))
