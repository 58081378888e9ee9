"""The files of a submission: which there may be, how large, and that they are plain files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.document import pretty_json, write_atomic
from harness.document.reading import STRANGER, read_bytes, read_json, walk
from harness.document.units import MIB
from harness.errors import RecordError
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Subject

RESULT = "result.json"
CLAIM = "claim.json"
ROWS = "rows.json"
MANIFEST = "manifest.json"
LADDER = "ladder.json"
CARD = "README.md"
LOSS = "loss.png"
ADAPTER_CONFIG = "adapter/adapter_config.json"
WEIGHTS = "adapter/adapter_model.safetensors"

MAX_FILES = 200
GENERATIONS = re.compile(r"generations/([a-z0-9_-]{1,40}(?:\.loglikelihood)?)\.jsonl")
EVIDENCE = re.compile(r"evidence/([a-z0-9-]{1,40})\.json")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Name of a submission's folder."""

MAX_BYTES = {
    RESULT: 16 * MIB,
    CLAIM: 4 * MIB,
    ROWS: MIB,
    MANIFEST: MIB // 4,
    LADDER: MIB // 4,
    CARD: MIB // 4,
    LOSS: MIB // 2,
    ADAPTER_CONFIG: MIB // 4,
    WEIGHTS: 2048 * MIB,
}
MAX_GENERATIONS_BYTES = 32 * MIB
MAX_EVIDENCE_BYTES = MIB


def max_bytes(name: str) -> int | None:
    """Return the largest size of a submission's file, or None when there is no such file."""
    if name in MAX_BYTES:
        return MAX_BYTES[name]
    if GENERATIONS.fullmatch(name):
        return MAX_GENERATIONS_BYTES
    return MAX_EVIDENCE_BYTES if EVIDENCE.fullmatch(name) else None


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder that may be read, and what is wrong with the others."""

    digests: dict[str, tuple[int, str]]
    """Name -> (bytes, sha256)."""
    breaches: tuple[tuple[str, str, object, object], ...]
    """(rule, place, found, expected)"""


def list_files(folder: Path) -> Listing:
    """List a submission's files; links are never followed, sizes are bounded.

    A file that breaks a rule is not in `digests` and is not read again.
    """
    digests: dict[str, tuple[int, str]] = {}
    wrong: list[tuple[str, str, object, object]] = []
    try:
        for name, entry in walk(folder, MAX_FILES):
            limit = max_bytes(name)
            if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
                wrong.append(("plain-files", name, "a link or special file", "a plain file"))
            elif limit is None:
                wrong.append(
                    ("known-files", name, "a file of no use here", "only what submit writes")
                )
            elif (size := entry.stat(follow_symlinks=False).st_size) > limit:
                wrong.append(("file-size", name, f"{size} bytes", f"at most {limit}"))
            else:
                data = read_bytes(Path(entry.path), limit, STRANGER)
                digests[name] = (len(data), hashlib.sha256(data).hexdigest())
    except (RecordError, OSError) as error:
        wrong.append(("known-files", "", str(error), "a small folder of plain, readable files"))
    return Listing(digests, tuple(wrong))


def read_manifest(path: Path) -> dict[str, tuple[int, str]]:
    """Read `manifest.json`: file -> (bytes, sha256).

    Raises:
        RecordError: it is not one.
    """
    value: Any = read_json(path, MAX_BYTES[MANIFEST], STRANGER)
    files = value.get("files") if isinstance(value, dict) else None
    if not isinstance(files, dict) or set(value) != {"files"}:
        raise RecordError(f'{path.name}: not a manifest; expected {{"files": {{...}}}}')
    manifest: dict[str, tuple[int, str]] = {}
    for name, item in files.items():
        if not isinstance(item, dict) or set(item) != {"bytes", "sha256"}:
            raise RecordError(f"{path.name}: {name!r:.80} has no bytes and sha256; write both")
        size, digest = item["bytes"], item["sha256"]
        if type(size) is not int or not isinstance(digest, str):
            raise RecordError(f"{path.name}: {name!r:.80} has values of wrong types")
        manifest[name] = (size, digest)
    return manifest


def seal(folder: Path) -> None:
    """Write `manifest.json` for a submission's files as they are.

    Raises:
        RecordError: a file cannot be in a submission.
    """
    listing = list_files(folder)
    for rule, place, found, _ in listing.breaches:
        raise RecordError(f"{folder / place}: {found}; rule {rule} keeps it out of a submission")
    files = {
        name: {"bytes": size, "sha256": digest}
        for name, (size, digest) in sorted(listing.digests.items())
        if name != MANIFEST
    }
    write_atomic(folder / MANIFEST, pretty_json({"files": files}))


def manifest(subject: Subject) -> Iterator[Breach]:
    """The manifest lists every other file with its size and digest."""
    if not subject.is_submission:
        return
    if subject.manifest is None:
        yield "", "no manifest.json", "sizes and digests of all files"
        return
    present = {name: value for name, value in subject.digests.items() if name != MANIFEST}
    for name in sorted((present.keys() | subject.manifest.keys()) - subject.refused):
        if present.get(name) != subject.manifest.get(name):
            yield name, subject.manifest.get(name, "not listed"), present.get(name, "no such file")


def place(subject: Subject) -> Iterator[Breach]:
    """A submission lies in a folder of its challenge, under a plain name."""
    if not subject.is_submission or subject.folder is None:
        return
    folder = subject.folder.resolve()
    if not NAME.fullmatch(folder.name):
        yield "", folder.name, "a folder name of a-z, 0-9, dot, underscore and hyphen"
    if folder.parent.parent.name == "submissions" and folder.parent.name != subject.challenge.id:
        yield "", f"submissions/{folder.parent.name}", f"submissions/{subject.challenge.id}"


RULES = (
    Rule("manifest", "The manifest lists the files as they are", "harness submission format",
         manifest, file=MANIFEST),
    Rule("place", "The folder is named for its challenge", "harness submission format", place,
         file=""),
)  # fmt: skip
