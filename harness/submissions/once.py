"""One entry, once: what a run or a claim is known by stands under one name in the whole tree.

`harness.submissions.marks` says what that is, `harness.submissions.history` which of two was first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from harness.document.reading import STRANGER, read_bytes
from harness.errors import RecordError
from harness.record.file_names import CLAIM, RESULT, ROW_BITS
from harness.submissions.history import history_of
from harness.submissions.marks import ANSWERS, Filed
from harness.verify.files.layout import MAX_BYTES
from harness.verify.report import Finding
from harness.verify.rule import Rule

ONCE = Rule("once", "An entry is filed once, under one name", "harness submission format", file="")


def copies(entries: Sequence[Filed], tree: Path | None) -> dict[str, list[Finding]]:
    """Return name of an entry -> findings that it is another one again; the first of each is clean.

    Args:
        entries: of one tree.
        tree: its folder, whose history tells which one was first; None: there is none.
    """
    holders: dict[tuple[str, str], list[Filed]] = defaultdict(list)
    for entry in entries:
        for mark in entry.marks.items():
            holders[mark].append(entry)
    for entry in entries:
        for mark in entry.likewise.items() & holders.keys():
            holders[mark].append(entry)
    shared = {mark: found for mark, found in holders.items() if len(found) > 1}
    if not shared:
        return {}
    history = history_of(tree)
    same: dict[tuple[str, str], list[str]] = defaultdict(list)
    by_name = {entry.name: entry for entry in entries}
    for (what, _), holding in shared.items():
        first, *later = sorted(holding, key=history.order)
        for entry in later:
            same[entry.name, first.name].append(what)
    findings: dict[str, list[Finding]] = defaultdict(list)
    for (name, first_name), marks in same.items():
        why = history.why_first(by_name[first_name], by_name[name])
        findings[name].append(copied(name, marks, first_name, why))
    return findings


def copied(name: str, what: Sequence[str], first: str, why: str) -> Finding:
    """Return the finding that an entry is another one again.

    Args:
        name: of the copy.
        what: marks that the two share.
        first: the entry that has them rightly.
        why: by what that one is the first.
    """
    place = "/".join(Path(first).parts[-3:])
    # Where all answers are shared, those of each set are no news.
    each = [item for item in what if ANSWERS not in what or " of " not in item]
    found = f"{', '.join(each)} of {place}"
    return ONCE.finding(name, found, f"an entry of its own; {place} was first, {why}")


def folders_of(tree: Path, known: Collection[Path]) -> list[Path]:
    """Return the folders of a tree that may hold an entry, but for those that are known.

    Args:
        tree: the folder `submissions/`.
        known: folders that need not be looked into.
    """
    found = (folder for folder in tree.resolve().glob("*/*") if folder not in known)
    return sorted(folder for folder in found if not folder.is_symlink())


def neighbours(entries: Sequence[Filed], folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the folders whose files name a mark of an entry: what must be read to be sure.

    Each folder is looked into once, however many entries there are.

    Args:
        entries: those that are looked for.
        folders: where to look.
    """
    if not folders:
        return
    values = [
        value.encode()
        for each in entries
        for what, value in each.marks.items()
        if not what.startswith(ANSWERS)
    ]
    contents = any("content" in each.marks for each in entries)
    known_bits = {bits for each in entries for bits in _bits_in(each.folder)}
    for folder in folders:
        claim = _content(folder / CLAIM)
        data = claim + _content(folder / RESULT)
        # The digest of a claim's content stands in no file: every claim must be looked at.
        seen = any(value in data for value in values) or (claim and contents)
        if seen or not known_bits.isdisjoint(_bits_in(folder)):
            yield folder


def _bits_in(folder: Path) -> list[bytes]:
    """Return the rows of noughts and ones of a run or a claim, however its file is laid out."""
    of_claim = re.findall(rb'"bits"\s*:\s*"([01]+)"', _content(folder / CLAIM))
    return of_claim + re.findall(rb'"([01]+)"', _content(folder / ROW_BITS))


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_BYTES["raw"], STRANGER)
    except RecordError:
        return b""
