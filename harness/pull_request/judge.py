"""The verdict on a pull request: what it may change, what verify finds, what the table becomes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from filecmp import cmp as same_files
from pathlib import Path

from harness.document import parse_document
from harness.document.reading import STRANGER, read_json
from harness.errors import RecordError
from harness.pull_request.allowed import SUBMISSIONS, Allowed, Objection, what_may_change
from harness.pull_request.git_objects import (
    Tree,
    changes,
    commit_of,
    files_of,
    merge_base,
    write_files,
)
from harness.pull_request.table import table_lines
from harness.record.about import About
from harness.record.file_names import ABOUT, CLAIM, LADDER, RESULT
from harness.record.ladder import Rung, parse_ladder
from harness.submissions.amend import objection
from harness.submissions.check import check, twins_of, verify
from harness.submissions.once import ONCE
from harness.verify.report import Finding, Verdict, shown
from harness.verify.targets import find_targets


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of a pull request."""

    account: str
    """Who opened it, on GitHub; empty where nobody knows."""
    base: str
    """The branch that it is to be merged into, as it stood: what the tables are compared with."""
    head: str
    is_submission: bool
    folders: tuple[str, ...]
    """Entries that it adds or that gain evidence, and against whose files nothing stands; all were
    verified."""
    objections: tuple[Objection, ...]
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    before: tuple[str, ...]
    """Lines of the tables, of `base` and of what a merge makes of it."""
    after: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether nothing stands against it."""
        errors = any(item.severity == "error" for item in self.findings)
        return not self.objections and not errors


def judge(repository: Path, base: str, head: str, account: str = "") -> Judgement:
    """Judge a pull request from the objects of a repository.

    Args:
        repository: a clone with both commits; its work tree is not looked at.
        base: the branch that it is to be merged into.
        head: what it brings.
        account: who opened it, on GitHub; empty where nobody knows.

    Raises:
        UsageError: a commit is not there.
        RecordError: the two have no common commit, or thousands of files change.
    """
    tip, start = commit_of(repository, head), commit_of(repository, base)
    begun = merge_base(repository, start, tip)
    # What it changes is told since it left the branch; whose a folder is, and what was there first,
    # by the branch as it is: a copy may come on a branch that left before its source was filed.
    main, after = files_of(repository, start), files_of(repository, tip)
    before = files_of(repository, begun) | main
    allowed = what_may_change(changes(repository, begun, tip), before, after)
    with tempfile.TemporaryDirectory(prefix="harness-pull-request-") as name:
        return _judged(repository, start, tip, main, after, allowed, Path(name), account)


def _judged(
    repository: Path,
    start: str,
    tip: str,
    main: Tree,
    after: Tree,
    allowed: Allowed,
    room: Path,
    account: str,
) -> Judgement:
    """Verify the changed folders and compare the tables.

    Args:
        repository: a clone with both commits.
        start: the branch that it is to be merged into.
        tip: what it brings.
        main: files of `start`.
        after: files of `tip`.
        allowed: what of it is a submission.
        room: an empty folder, below which both trees are written.
        account: who opened it.
    """
    old, new = room / "base", room / "head"
    objections = list(allowed.objections)
    lines: list[Sequence[str]] = [(), ()]
    findings: tuple[Finding, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    # A folder of which a file is refused is not judged without that file.
    folders = [
        folder
        for folder in allowed.folders
        if not any(item.path.startswith(f"{folder}/") for item in objections)
    ]
    if folders:
        places = tuple(f"{folder}/" for folder in folders)
        write_files(repository, main, [p for p in main if p.startswith(SUBMISSIONS)], old)
        _link(old, new)
        for folder in folders:
            shutil.rmtree(new / folder, ignore_errors=True)
        write_files(repository, after, [p for p in after if p.startswith(places)], new)
        for folder in folders:
            objections += [*_lost(old, new, folder), *_amended(old, new, folder, account)]
        findings, verdicts = _verified(old, new, folders)
        findings += tuple(_in_another_s_name(old, new, folders, account))
        for folder in folders:
            if any(item.severity == "error" and is_of(item, folder) for item in findings):
                _take_out(old, new, folder)
        lines = [table_lines(tree / SUBMISSIONS) for tree in (old, new)]
    return Judgement(
        base=start,
        head=tip,
        account=account,
        is_submission=allowed.is_submission,
        folders=tuple(folders),
        objections=tuple(objections),
        findings=findings,
        verdicts=verdicts,
        before=tuple(lines[0]),
        after=tuple(lines[1]),
    )


def _link(old: Path, new: Path) -> None:
    """Let `new` hold what `old` holds, without the bytes a second time."""
    if old.is_dir():
        shutil.copytree(old, new, copy_function=os.link)


def _take_out(old: Path, new: Path, folder: str) -> None:
    """Let a folder that is found wanting be as it was: no table has it or lacks its source."""
    shutil.rmtree(new / folder)
    _link(old / folder, new / folder)


def is_of(item: Finding, folder: str) -> bool:
    """Whether a finding is of an entry, by the folder's place in the repository."""
    return item.path == folder or item.path.startswith(f"{folder}/")


def _lost(old: Path, new: Path, folder: str) -> list[Objection]:
    """Return an objection where a folder has no record, or loses a rung that it had."""
    if not any((new / folder / name).is_file() for name in (RESULT, CLAIM)):
        return [Objection(folder, f"neither {RESULT} nor {CLAIM} is in it: it is no submission")]
    after = _rungs(new / folder / LADDER)
    lost = [rung.level for rung in _rungs(old / folder / LADDER) if rung not in after]
    if not lost:
        return []
    return [Objection(f"{folder}/{LADDER}", f"a rung is lost or changed: {', '.join(lost)}")]


def _amended(old: Path, new: Path, folder: str, account: str) -> list[Objection]:
    """Return an objection where an entry's `about.json` is changed by another, or in more than may.

    What cannot be read is left to verify.
    """
    if not (old / folder).is_dir():
        return []
    was, is_now = old / folder / ABOUT, new / folder / ABOUT
    before, after = _about(was), _about(is_now)
    if after is None or (before is not None and same_files(was, is_now, shallow=False)):
        return []
    why = objection(before, after, account)
    return [Objection(f"{folder}/{ABOUT}", why)] if why else []


def _in_another_s_name(
    old: Path, new: Path, folders: Sequence[str], account: str
) -> Iterator[Finding]:
    """Yield a warning for each new entry that only another account could amend or withdraw."""
    for folder in folders:
        about = None if (old / folder).is_dir() else _about(new / folder / ABOUT)
        author = about and about.author
        if account and author and author.handle.lower() != account.lower():
            yield Finding(
                rule="author",
                severity="warning",
                path=f"{folder}/{ABOUT}",
                found=f"the author {author.handle}, in a pull request of {shown(account)}",
                expected=f"one from {author.handle}, or a word from there that it is theirs",
            )


def _about(path: Path) -> About | None:
    if not path.is_file():
        return None
    try:
        return parse_document(About, read_json(path, policy=STRANGER), ABOUT)
    except RecordError:
        return None  # Verify says so.


def _rungs(path: Path) -> tuple[Rung, ...]:
    if not path.is_file():
        return ()
    try:
        return parse_ladder(read_json(path, policy=STRANGER), LADDER)
    except RecordError:
        return ()  # Verify says so.


def _verified(
    old: Path, new: Path, folders: Sequence[str]
) -> tuple[tuple[Finding, ...], tuple[Verdict, ...]]:
    """Verify the folders and call them by their place in the repository."""
    present = [new / folder for folder in folders]
    present = [p for p in present if any((p / name).is_file() for name in (RESULT, CLAIM))]
    if not present:
        return (), ()
    report = verify(present)
    findings = [item for item in report.findings if item.rule != ONCE.id]
    # What stands on the main branch was first, whatever date a copy bears.
    for path in present:
        for checked in map(check, find_targets(path)):
            base = old / SUBMISSIONS
            if checked.filed is not None and not (old / path.relative_to(new)).is_dir():
                findings += twins_of(checked.filed, base) if base.is_dir() else []
    known = {item.path for item in findings if item.rule == ONCE.id}
    findings += [
        item for item in report.findings if item.rule == ONCE.id and item.path not in known
    ]
    prefix = f"{new}/"
    return (
        tuple(item.with_values(path=item.path.removeprefix(prefix)) for item in findings),
        tuple(item.with_values(path=item.path.removeprefix(prefix)) for item in report.verdicts),
    )
