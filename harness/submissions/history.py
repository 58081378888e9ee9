"""The age of entries: which of two was first, as git says.

The place in the history of the branch counts and never a date, which whoever commits may choose.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.record.file_names import CLAIM, RESULT
from harness.submissions.marks import Filed

GIT_LIMIT_S = 60
"""How long git may take to list a history."""


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
