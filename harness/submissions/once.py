"""One entry, once: what a run or a claim is known by stands under one name in the whole tree.

A copy is told by what a copier cannot change without running again: the adapter, the last round,
the answers. Which of two entries was first is what git says, where the tree lies in a repository:
the place in the history of the branch, never a date, which whoever commits may choose.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.claims.record import ClaimRecord
from harness.document import canonical_json, sha256_text
from harness.document.reading import STRANGER, read_bytes
from harness.errors import RecordError
from harness.record.file_names import CLAIM, RESULT, ROW_BITS
from harness.verify.files.generations import Generations
from harness.verify.files.layout import MAX_BYTES
from harness.verify.report import Finding
from harness.verify.rule import Rule
from harness.verify.submission import Submission
from harness.verify.targets import Target

ONCE = Rule("once", "An entry is filed once, under one name", "harness submission format", file="")

ANSWERS = "answers"
"""Which rows of all sets are right."""

LEAST_VARIED = 30
"""Rows of a set that are not answered in the commonest way, before its answers are a mark. Runs of
one recipe with other seeds answer one row in ten otherwise: 304 rows are all alike in one of 10^14
pairs. Of two models that say `neutral` to all but five rows nothing can be told."""

GIT_LIMIT_S = 60
"""How long git may take to list a history."""


@dataclass(frozen=True, slots=True)
class Filed:
    """One entry of a tree, and what it is known by."""

    folder: Path
    name: str
    """How findings call it."""
    created: str
    """When, as its record says."""
    marks: Mapping[str, str]
    """What (`run id`, `adapter`) -> its value, which no other entry has."""
    likewise: Mapping[str, str] = field(default_factory=dict)
    """The same of a claim's answers, of which only right or wrong is known: two claims may share
    them where both models say one word; a run that has them as a mark says more than one."""
    clean: bool = True
    """Whether nothing else is found wanting of it."""

    def shared(self, other: Filed) -> list[str]:
        """Return by what another entry is this one again, sorted."""
        ours, theirs = ({**item.likewise, **item.marks} for item in (self, other))
        same = {what for what, value in ours.items() if theirs.get(what) == value}
        return sorted(same & (self.marks.keys() | other.marks.keys()))


@dataclass(frozen=True, slots=True)
class History:
    """What git knows of a tree."""

    place: Mapping[Path, int]
    """Folder of an entry -> number of the commit of the branch that wrote its record, from 1."""

    def order(self, entry: Filed) -> tuple[int, bool, str, str]:
        """Return what sorts entries by age, the first one first; git's word counts before dates.

        Where git does not tell, what is on no board takes nobody's place on it, whatever its date.
        """
        last = len(self.place) + max(self.place.values(), default=0)
        return self.place.get(entry.folder, last), not entry.clean, entry.created, entry.name

    def why_first(self, first: Filed, other: Filed) -> str:
        """Say by what `first` is older."""
        if self.place.get(first.folder) == self.place.get(other.folder):
            known = "knows neither" if first.folder not in self.place else "got both in one commit"
            if first.clean and not other.clean:
                return f"as nothing else is found wanting of it, and git {known}"
            if first.created == other.created:
                return f"by its name alone: the dates are the same, and git {known}"
            return f"by the date in its record, as git {known}"
        return "by git's history"


def of_run(submission: Submission, target: Target) -> Filed | None:
    """Return what a submission is known by; None of a record or a run directory.

    Args:
        submission: as it was read.
        target: where it lies.
    """
    if target.kind != "submission" or submission.folder is None:
        return None
    record = submission.record
    marks = {"run id": record.run_id, "adapter": record.adapter.sha256}
    if record.federation.rounds:
        last = record.federation.rounds[-1]
        marks |= {"last round": last.digest, "last aggregate": last.aggregate_sha256}
    answers = {t: g for t, g in submission.generations.items() if t in submission.official}
    # Two models that answer every row of a set alike have the same answers without being copies.
    if answers and any(len(item.answers) > 1 for item in answers.values()):
        right = [[task, item.bits] for task, item in sorted(answers.items())]
        marks[ANSWERS] = sha256_text(canonical_json(right))
    return Filed(submission.folder, target.name, record.created, marks | _of_each_set(submission))


def _of_each_set(submission: Submission) -> dict[str, str]:
    """Return what one set alone tells an entry by: who changes an answer leaves the other sets."""
    marks = {}
    for name, item in submission.generations.items():
        task, _, second = name.partition(".")
        if second:
            marks[f"log-likelihoods of {task}"] = submission.digests[f"generations/{name}.jsonl"][1]
        elif task in submission.official and _varied(item):
            marks[f"{ANSWERS} of {task}"] = _of_one_set(task, item.bits)
    return marks


def _of_one_set(task: str, bits: str) -> str:
    return sha256_text(canonical_json([task, bits]))


def _varied(item: Generations) -> bool:
    """Whether so many rows are not answered in the commonest way that no other model does alike."""
    common: Counter[str] = Counter()
    for (_, label), count in item.pairs.items():
        common[label] += count
    return common.total() - max(common.values()) >= LEAST_VARIED


def of_claim(claim: ClaimRecord, target: Target) -> Filed | None:
    """Return what a claim is known by: each recounted file, and everything but name and date."""
    if target.folder is None:
        return None
    body = claim.model_dump(mode="json", exclude={"name", "imported", "source"})
    marks = {"content": sha256_text(canonical_json(body))}
    for item in claim.sets:
        if item.percent is not None and item.percent.file in claim.files:
            marks[item.percent.file] = claim.files[item.percent.file]
        if item.recount is not None and len(set(item.recount.bits)) > 1:
            marks[f"generations of {item.task}"] = item.recount.sha256
    bits = {item.task: item.recount.bits for item in claim.sets if item.recount is not None}
    likewise = {f"{ANSWERS} of {task}": _of_one_set(task, text) for task, text in bits.items()}
    return Filed(target.folder.resolve(), target.name, claim.imported, marks, likewise)


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


def history_of(tree: Path | None) -> History:
    """Return what git knows of a tree; nothing where it lies in no repository.

    A stranger's folder decides nothing here: git is asked at the tree, with no program of the
    repository's configuration run for it.
    """
    if tree is None or not tree.is_dir():
        return History({})
    tree = tree.resolve()
    command = [
        "git", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit", "-C", str(tree),
        "log", "--first-parent", "-m", "--reverse", "--no-renames", "--diff-filter=AM",
        "--name-only", "--relative", "-z", "--format=%x01", "--", ".",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=GIT_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return History({})
    place: dict[Path, int] = {}
    number = 0
    for item in done.stdout.decode("utf-8", "replace").split("\x00"):
        number += item.count("\x01")
        parts = item.replace("\x01", "").lstrip("\n").split("/")
        # The last change counts: a folder may be old and its record another one's of today.
        if len(parts) == 3 and parts[2] in (RESULT, CLAIM):
            place[tree / parts[0] / parts[1]] = number
    return History(place)
