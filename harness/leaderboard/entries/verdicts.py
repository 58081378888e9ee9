"""Entries of submissions that were checked before: the same bytes need no second check.

A key is the digest of a folder's files and of the harness's own sources, so that an entry is only
reused for the same files under the same rules. The cache is this machine's, never part of a
submission.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.claims.check import MAX_CLAIM_BYTES, other_files
from harness.document import canonical_json, sha256_file, sha256_text
from harness.document.file_digests import sha256_of_set
from harness.document.reading import STRANGER, read_bytes, walk
from harness.errors import RecordError
from harness.leaderboard.entries.claim_entry import claim_details, claim_entry
from harness.leaderboard.entries.details import EntryDetails
from harness.leaderboard.entries.entry import Entry
from harness.leaderboard.entries.run_details import run_details
from harness.leaderboard.entries.run_entry import run_entry
from harness.leaderboard.entries.verdict_store import (
    KeptVerdict,
    SeenFolder,
    any_kept,
    keep,
    keep_seen,
    kept,
    seen_folders,
)
from harness.record.file_names import CLAIM
from harness.submissions.check import Checked, check, filed_twice
from harness.submissions.marks import Filed
from harness.submissions.parallel import each
from harness.verify.files.layout import MAX_FILES
from harness.verify.read_submission import read_files
from harness.verify.targets import Target

SETTLED_S = 3.0
"""Seconds after which a file that was written counts as settled; clocks of file systems are coarse.
"""


@cache
def rules_digest() -> str:
    """Return the digest of the harness's sources and challenge files."""
    root = Path(__file__).resolve().parent.parent.parent
    return sha256_of_set(
        {
            path.relative_to(root).as_posix(): sha256_file(path)
            for path in root.rglob("*")
            if path.suffix in (".py", ".toml", ".json", ".bin")
        }
    )


@dataclass(frozen=True)
class Listing:
    """The files of a target as a verdict depends on them."""

    digests: dict[str, tuple[int, str]]
    """File -> (bytes, sha256)."""
    refused: list[str]
    """What has no place among them."""


def list_target(target: Target) -> Listing:
    """Digest the files of a target without looking at what they hold."""
    assert target.folder is not None
    if target.kind == "claim":
        try:
            data = read_bytes(target.record, MAX_CLAIM_BYTES[CLAIM], STRANGER)
            digests = {CLAIM: (len(data), hashlib.sha256(data).hexdigest())}
        except RecordError:
            digests = {}
        return Listing(digests, [item.canonical_json() for item in other_files(target)])
    files = read_files(target.folder, parse=False)
    return Listing(files.digests, list(files.unread()))


def list_targets(
    targets: Sequence[Target], signatures: Sequence[tuple[str, float]]
) -> list[Listing]:
    """Digest the files of all targets, but for those that nothing has touched since the last time.

    Args:
        targets: whose files are listed.
        signatures: of each; see `signature_of`.
    """
    places = [_place_of(target) for target in targets]
    before = seen_folders(places)
    found = []
    for target, place, (signature, _) in zip(targets, places, signatures, strict=True):
        seen = before.get(place)
        if seen is not None and signature and seen.signature == signature:
            digests, refused = json.loads(seen.listing)
            found.append(Listing({name: tuple(value) for name, value in digests.items()}, refused))
        else:
            found.append(list_target(target))
    return found


def keep_listings(
    targets: Sequence[Target],
    signatures: Sequence[tuple[str, float]],
    listings: Sequence[Listing],
) -> None:
    """Note what the files of targets are, so that they need not be read again while untouched.

    A file that was written within the last seconds is read again: it may change once more without
    the file system telling.

    Args:
        targets: whose files were listed.
        signatures: of each, from before its files were read.
        listings: of each.
    """
    before = seen_folders(_place_of(target) for target in targets)
    latest_s = time.time() - SETTLED_S
    new = {}
    for target, (signature, newest_s), listing in zip(targets, signatures, listings, strict=True):
        place = _place_of(target)
        seen = before.get(place)
        if signature and newest_s < latest_s and (seen is None or seen.signature != signature):
            new[place] = SeenFolder(signature, json.dumps([listing.digests, listing.refused]))
    if new:
        keep_seen(new)


def _place_of(target: Target) -> str:
    """Return a folder in ASCII: names of files need not be UTF-8."""
    return ascii(str(target.folder))


def signature_of(target: Target) -> tuple[str, float]:
    """Return a digest of what the file system says of a folder, and when a file last changed.

    The digest is empty for a folder that cannot be walked through.
    """
    assert target.folder is not None
    said, newest_s = [], 0.0
    try:
        for name, entry in walk(target.folder, MAX_FILES):
            info = entry.stat(follow_symlinks=False)
            said.append((name, info.st_mode, info.st_size, info.st_ino, info.st_mtime_ns,
                         info.st_ctime_ns))  # fmt: skip
            newest_s = max(newest_s, info.st_mtime, info.st_ctime)
    except (RecordError, OSError):
        return "", 0.0
    text = repr((target.kind, str(target.record.resolve()), sorted(said), rules_digest()))
    return sha256_text(text), newest_s


def key_of(target: Target, listing: Listing) -> str:
    """Return the key of a target: where it lies, its files, the rules."""
    assert target.folder is not None
    place = target.folder.resolve().parts[-3:]
    parts = [place, sorted(listing.digests.items()), listing.refused, rules_digest()]
    return sha256_text(ascii(parts))


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry that is on a board."""

    entry: Entry
    details: str
    """What its page shows beyond that, as JSON; empty for a reference."""


def judged(target: Target) -> tuple[KeptVerdict, Listing]:
    """Check one target.

    Returns:
        Its entry, rows included, or what refuses it; and the files that were read for that.
    """
    result = check(target)
    filed = result.filed
    listing = list_target(target) if target.kind == "claim" else Listing(
        dict(result.digests), list(result.unread)
    )  # fmt: skip
    known = ""
    if filed is not None:
        known = canonical_json([filed.created, dict(filed.marks), dict(filed.likewise)])
    if not result.clean:
        rules = sorted({item.rule for item in result.findings if item.severity == "error"})
        return KeptVerdict("", "", known, ", ".join(rules)), listing
    entry, details = entry_of(result)
    value = entry.model_dump(mode="json")
    for task, score in entry.scores.items():
        value["scores"][task]["bits"] = score.bits
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return KeptVerdict(text, details.model_dump_json(), known, ""), listing


def entry_of(item: Checked) -> tuple[Entry, EntryDetails]:
    """Return the line and the page of a submission or claim that is clean."""
    if item.claim is not None:
        return claim_entry(item.claim, item.findings), claim_details(item.claim)
    assert item.submission is not None
    return run_entry(item.submission, item.findings), run_details(item.submission)


def _verdicts(targets: Sequence[Target]) -> tuple[dict[str, KeptVerdict], list[str]]:
    """Return the verdict on each key, and the key of each target.

    Where no verdict is kept at all, files are read once, for the check; else they are digested
    first, since most verdicts are known by that.
    """
    signatures = [signature_of(target) for target in targets]
    listings: list[Listing] = list_targets(targets, signatures) if any_kept() else []
    keys = [key_of(*pair) for pair in zip(targets, listings, strict=True)] if listings else []
    known = kept(keys)
    fresh = [index for index in range(len(targets)) if not keys or keys[index] not in known]
    verdicts = each(judged, [targets[index] for index in fresh])
    if not keys:
        listings = [listing for _, listing in verdicts]
        keys = [key_of(*pair) for pair in zip(targets, listings, strict=True)]
    new = {}
    for index, (verdict, read) in zip(fresh, verdicts, strict=True):
        known[keys[index]] = verdict
        # A file that changed between listing and checking would be kept under the key of other
        # bytes.
        if read == listings[index]:
            new[keys[index]] = verdict
    if new:
        keep(new, keys)
    keep_listings(targets, signatures, listings)
    return known, keys


def entries_of(targets: Sequence[Target]) -> tuple[list[Shown], list[str]]:
    """Return the entries of all targets, and one sentence for each that is refused."""
    known, keys = _verdicts(targets)
    found, refused = [], []
    filed = [_filed(target, known[key]) for key, target in zip(keys, targets, strict=True)]
    twice = filed_twice(targets, filed)
    for key, target in zip(keys, targets, strict=True):
        verdict = known[key]
        if verdict.refused or not verdict.entry:
            refused.append(f"{target.name}: {verdict.refused}")
        elif target.name in twice:
            refused.append(f"{target.name}: {twice[target.name][0].found}")
        else:
            found.append(Shown(Entry.model_validate_json(verdict.entry), verdict.details))
    return found, refused


def _filed(target: Target, verdict: KeptVerdict) -> Filed | None:
    if not verdict.filed or target.folder is None:
        return None
    created, marks, likewise = json.loads(verdict.filed)
    clean = not verdict.refused
    return Filed(target.folder.resolve(), target.name, created, marks, likewise, clean)
