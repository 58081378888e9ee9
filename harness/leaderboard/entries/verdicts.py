"""Entries of submissions that were checked before: the same bytes need no second check.

A key is the digest of a folder's files and of the harness's own sources, so that an entry is only
reused for the same files under the same rules. The cache is this machine's, never part of a
submission.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.claims.check import MAX_CLAIM_BYTES, other_files
from harness.document import canonical_json, sha256_file, sha256_text, write_atomic
from harness.document.file_digests import sha256_of_set
from harness.document.reading import STRANGER, read_bytes
from harness.errors import RecordError
from harness.leaderboard.entries.claim_entry import claim_entry
from harness.leaderboard.entries.entry import Entry
from harness.leaderboard.entries.run_entry import run_entry
from harness.machine.cache_folder import cache_folder
from harness.record.file_names import CLAIM
from harness.submissions.check import Checked, check, filed_twice
from harness.submissions.once import Filed
from harness.submissions.parallel import each
from harness.verify.read_submission import read_files
from harness.verify.targets import Target


def cache_file() -> Path:
    """Return where verdicts are kept, in the cache folder."""
    return cache_folder() / "verdicts.json"


@cache
def rules_digest() -> str:
    """Return the digest of the harness's sources and challenge files."""
    root = Path(__file__).resolve().parent.parent.parent
    return sha256_of_set(
        {
            path.relative_to(root).as_posix(): sha256_file(path)
            for path in root.rglob("*")
            if path.suffix in (".py", ".toml", ".json")
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
    refused = [f"{item.rule.id} {item.file}: {item.found}" for item in files.refusals]
    return Listing(files.digests, refused)


def key_of(target: Target, listing: Listing) -> str:
    """Return the key of a target: where it lies, its files, the rules."""
    assert target.folder is not None
    place = target.folder.resolve().parts[-3:]
    parts = [place, sorted(listing.digests.items()), listing.refused, rules_digest()]
    return sha256_text(canonical_json(parts))


def judged(target: Target) -> tuple[dict[str, Any], Mapping[str, tuple[int, str]]]:
    """Check one target.

    Returns:
        Its entry, bits included, or what refuses it; and the digests of what was read for that.
    """
    result = check(target)
    entry, filed = entry_of(result), result.filed
    verdict: dict[str, Any] = {}
    if filed is not None:
        verdict["filed"] = {"created": filed.created, "marks": dict(filed.marks)}
    if entry is None:
        rules = sorted({item.rule for item in result.findings if item.severity == "error"})
        return verdict | {"refused": f"{target.name}: {', '.join(rules)}"}, result.digests
    bits = {task: score.bits for task, score in entry.scores.items()}
    return verdict | {"entry": entry.model_dump(mode="json"), "bits": bits}, result.digests


def entry_of(item: Checked) -> Entry | None:
    """Return the entry of a submission, or None when a rule rejects it."""
    if not item.clean:
        return None
    if item.claim is not None:
        return claim_entry(item.claim, item.findings)
    return None if item.submission is None else run_entry(item.submission, item.findings)


def entries_of(targets: Sequence[Target]) -> tuple[list[Entry], list[str]]:
    """Return the entries of all targets, and one sentence for each that is refused."""
    known = _load()
    listings = [list_target(target) for target in targets]
    keys = [key_of(*pair) for pair in zip(targets, listings, strict=True)]
    fresh = [index for index, key in enumerate(keys) if key not in known]
    # A file that changed between listing and checking would be kept under the key of other bytes.
    changed = set()
    verdicts = each(judged, [targets[index] for index in fresh])
    for index, (verdict, read) in zip(fresh, verdicts, strict=True):
        known[keys[index]] = verdict
        if dict(read) != listings[index].digests:
            changed.add(keys[index])
    kept = {key: known[key] for key in keys}
    if fresh or len(kept) != len(known):
        _save({key: verdict for key, verdict in kept.items() if key not in changed})
    found, refused = [], []
    filed = [_filed(target, kept[key]) for key, target in zip(keys, targets, strict=True)]
    twice = filed_twice(targets, filed)
    for key, target in zip(keys, targets, strict=True):
        if "entry" in kept[key] and target.name in twice:
            refused.append(f"{target.name}: {twice[target.name][0].found}")
        elif "entry" in kept[key]:
            found.append(_restore(kept[key]))
        else:
            refused.append(f"{target.name}: {kept[key]['refused'].rsplit(': ', 1)[-1]}")
    return found, refused


def _filed(target: Target, verdict: dict[str, Any]) -> Filed | None:
    known = verdict.get("filed")
    if known is None or target.folder is None:
        return None
    return Filed(target.folder.resolve(), target.name, known["created"], known["marks"])


def _restore(verdict: dict[str, Any]) -> Entry:
    value = verdict["entry"]
    for task, bits in verdict["bits"].items():
        value["scores"][task]["bits"] = bits
    return Entry.model_validate(value)


def _load() -> dict[str, Any]:
    try:
        value = json.loads(cache_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _save(verdicts: dict[str, Any]) -> None:
    try:
        write_atomic(cache_file(), json.dumps(verdicts))
    except RecordError:
        return  # A cache that cannot be written costs time, not correctness.
