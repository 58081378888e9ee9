"""What a pull request with a submission may change: new folders of submissions, and nothing else.

A folder that is there belongs to whoever filed it. It may gain evidence, by which an entry climbs
the ladder, and its own author may amend `about.json`; everything else of it stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.boards.board import board_names
from harness.boards.open_division import OPEN
from harness.pull_request.git_objects import PLAIN_FILE, Change, Tree
from harness.record.file_names import ABOUT, ADAPTER_WEIGHTS_PATH, CARD, CLAIM, LADDER, MANIFEST
from harness.submissions.submit import MAX_WEIGHTS_BYTES
from harness.verify.files.layout import (
    SUBMISSION_FILES,
    SUBMISSION_NAME,
    SUBMISSION_NAME_IS,
    kind_of,
)

KINDS = {"120000": "a symbolic link", "160000": "a submodule", "100755": "an executable file"}
"""Git's mode -> what it is."""

GENERATED = "leaderboard/"
SUBMISSIONS = "submissions/"

FOLDER = re.compile(rf"submissions/([a-z0-9-]+)/({SUBMISSION_NAME.pattern})/(.+)")
"""Board, entry and file of a submission's path."""

EVIDENCE = "evidence/"
CLIMBS = (LADDER, MANIFEST)
"""Files of an entry that change when it gains evidence."""


@dataclass(frozen=True, slots=True)
class Objection:
    """A path that a pull request may not change, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """What of a pull request is a submission, and what stands against it."""

    folders: tuple[str, ...]
    """`submissions/<board>/<name>` of every entry that it adds or that gains evidence."""
    objections: tuple[Objection, ...]
    is_submission: bool
    """Whether anything below `submissions/` or `leaderboard/` changes at all."""


def what_may_change(found: Sequence[Change], before: Tree, after: Tree) -> Allowed:
    """Return what of a pull request is a submission, and what it may not change.

    Args:
        found: everything that differs between the merge base and the head.
        before: files of the merge base, and of the branch that it is to be merged into.
        after: files of the head.
    """
    concern = ("submissions", "leaderboard")
    if not any(_letters(item.path).startswith(concern) for item in found):
        return Allowed((), (), False)
    entries = {match[0] for path in before if (match := _entry(path))}
    by_letters = _by_letters(before | after)
    climbing = {
        match[0]
        for item in found
        if item.added and (match := _entry(item.path)) and match[1].startswith(EVIDENCE)
    }
    amended = {
        match[0]
        for item in found
        if item.path in before and (match := _entry(item.path)) and match[1] == ABOUT
    }
    objections: list[Objection] = []
    folders = set()
    for item in found:
        why = next(_objections(item, entries, climbing, amended, before, after, by_letters), None)
        if why is not None:
            objections.append(Objection(item.path, why))
        elif (match := _entry(item.path)) is not None:
            folders.add(match[0])
    return Allowed(tuple(sorted(folders)), tuple(objections), True)


def _objections(
    item: Change,
    entries: set[str],
    climbing: set[str],
    amended: set[str],
    before: Tree,
    after: Tree,
    by_letters: dict[str, list[str]],
) -> Iterator[str]:
    """Yield what stands against one change.

    Args:
        item: the change.
        entries: folders of entries that are there.
        climbing: folders to which evidence is added.
        amended: folders whose `about.json` changes; by whom, and to what, is judged by its content.
        before: files of the merge base, and of the branch that it is to be merged into.
        after: files of the head.
        by_letters: paths of both, by what tells neither case nor composition apart.
    """
    path = item.path
    if any(ord(char) > 126 or ord(char) < 32 for char in path):
        yield "a name with a line break, or with another character that is no plain ASCII"
    if path.startswith(GENERATED):
        yield "a generated file: pages and tables are made on the main branch, leave them out"
    if not path.startswith(SUBMISSIONS) and path.lower().startswith(SUBMISSIONS):
        yield f"{SUBMISSIONS} is written in small letters; rename the folder: git mv"
    elif not path.startswith(SUBMISSIONS):
        place = "a workflow" if path.startswith(".github/") else "a part of the harness"
        yield f"{place}: what judges a submission does not change with it, send it apart"
    entry = _entry(path)
    if entry is None:
        yield (
            "no file of a submission: they lie in submissions/<board>/<name>/, the name of"
            f" {SUBMISSION_NAME_IS}; boards are {', '.join(board_names())}"
        )
    elif item.deleted:
        yield "a file of an entry that is there is deleted or renamed: entries stay"
    elif item.after != PLAIN_FILE:
        yield f"{KINDS.get(item.after, 'no plain file')}: only plain files belong to a submission"
    elif entry[0] in amended and entry[1] in (ABOUT, MANIFEST):
        return
    elif entry[0] in entries and not _climbs(item, entry, climbing, before):
        yield "another entry's file: it may gain evidence only; file your own under another name"
    elif kind_of(entry[1], SUBMISSION_FILES) is None and entry[1] not in (CLAIM, CARD):
        yield "a file that harness submit does not write"
    elif (size := after[path].bytes) > _most_bytes(entry[1]):
        yield f"{size:,} bytes; at most {_most_bytes(entry[1]):,}: weights lie on the hub"
    alike = [other for other in by_letters[_letters(path)] if other != path]
    if alike:
        yield f"its name differs from {alike[0]} in upper and lower case only"


def _entry(path: str) -> tuple[str, str] | None:
    """Return the folder of an entry and the file in it; None for another path."""
    match = FOLDER.fullmatch(path)
    if match is None or match[1].removesuffix(OPEN) not in board_names():
        return None
    return f"submissions/{match[1]}/{match[2]}", match[3]


def _most_bytes(file: str) -> int:
    known = kind_of(file, SUBMISSION_FILES)
    if known is None or file == ADAPTER_WEIGHTS_PATH:
        return MAX_WEIGHTS_BYTES
    return known[0].max_bytes


def _climbs(item: Change, entry: tuple[str, str], climbing: set[str], before: Tree) -> bool:
    """Whether an entry's file changes as it does when evidence is added."""
    folder, file = entry
    if file.startswith(EVIDENCE):
        return item.added
    # A run that was never sealed or never climbed has no such files; a claim has neither.
    return file in CLIMBS and folder in climbing and f"{folder}/{MANIFEST}" in before


def _letters(path: str) -> str:
    """Return what a path is to a file system that tells neither case nor composition apart."""
    return unicodedata.normalize("NFKC", path).casefold()


def _by_letters(tree: Tree) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for path in tree:
        groups[_letters(path)].append(path)
    return groups
