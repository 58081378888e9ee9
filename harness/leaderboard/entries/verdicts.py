"""Entries of submissions that were checked before: the same bytes need no second check.

A key is the digest of a folder's files and of the harness's own sources, so that an entry is only
reused for the same files under the same rules. The cache is this machine's, never part of a
submission.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.document import canonical_json, sha256_file, sha256_text, write_atomic
from harness.document.file_digests import sha256_of_set
from harness.errors import RecordError
from harness.leaderboard.entries.claim_entry import claim_entry
from harness.leaderboard.entries.entry import Entry
from harness.leaderboard.entries.run_entry import run_entry
from harness.machine.cache_folder import cache_folder
from harness.submissions.check import Checked, check
from harness.submissions.parallel import each
from harness.verify.files.layout import list_files
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


def folder_key(target: Target) -> str:
    """Return the key of a target: where it lies, its files, the rules."""
    assert target.folder is not None
    listing = list_files(target.folder)
    place = target.folder.resolve().parts[-3:]
    parts = [place, sorted(listing.digests.items()), listing.breaches, rules_digest()]
    return sha256_text(canonical_json(parts))


def judged(target: Target) -> dict[str, Any]:
    """Check one target; return its entry, bits included, or what refuses it."""
    result = check(target)
    entry = entry_of(result)
    if entry is None:
        rules = sorted({item.rule for item in result.findings if item.severity == "error"})
        return {"refused": f"{target.name}: {', '.join(rules)}"}
    bits = {task: score.bits for task, score in entry.scores.items()}
    return {"entry": entry.model_dump(mode="json"), "bits": bits}


def entry_of(item: Checked) -> Entry | None:
    """Return the entry of a submission, or None when a rule rejects it."""
    if not item.clean:
        return None
    if item.claim is not None:
        return claim_entry(item.claim, item.findings)
    return None if item.subject is None else run_entry(item.subject, item.findings)


def entries(targets: Sequence[Target]) -> tuple[list[Entry], list[str]]:
    """Return the entries of all targets, and one sentence for each that is refused."""
    known = _load()
    keys = [folder_key(target) for target in targets]
    fresh = [(key, target) for key, target in zip(keys, targets, strict=True) if key not in known]
    verdicts = each(judged, [target for _, target in fresh])
    for (key, _), verdict in zip(fresh, verdicts, strict=True):
        known[key] = verdict
    kept = {key: known[key] for key in keys}
    if fresh or len(kept) != len(known):
        _save(kept)
    found, refused = [], []
    for key, target in zip(keys, targets, strict=True):
        if "entry" in kept[key]:
            found.append(_restore(kept[key]))
        else:
            refused.append(f"{target.name}: {kept[key]['refused'].rsplit(': ', 1)[-1]}")
    return found, refused


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
