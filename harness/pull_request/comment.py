"""The comment on a pull request, as Markdown in which a stranger's words stay text."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from harness.pull_request.judge import Judgement, is_of
from harness.verify.report import shown

FENCE = "~~~~~~~~"
MAX_COMMENT = 60_000
"""Characters of a comment; GitHub takes 65,536."""
MAX_LINES = 60
"""Lines of one list; the rest is counted."""
LINE_CHARACTERS = 300


def comment(found: Judgement) -> str:
    """Return what the bot says of a pull request."""
    if not found.is_submission:
        return (
            "## No submission\n\nNothing below `submissions/` or `leaderboard/` changes, so there"
            " is nothing to verify.\n"
        )
    word = "accepted" if found.accepted else "not accepted as it is"
    parts = [f"## Submission: {word}"]
    if found.objections:
        parts += [
            "A pull request with a submission holds new folders `submissions/<board>/<name>/` and"
            " nothing else. It may not change:",
            fenced(f"{item.path}: {item.why}" for item in found.objections),
        ]
    if found.folders:
        parts += ["### harness verify", fenced(_verification(found))]
        parts += [
            f"### What it does to the table, compared with {found.base[:12]}",
            fenced(_difference(found), "diff"),
        ]
    elif not found.objections:
        parts.append("It holds no folder of a submission.")
    parts.append(
        f"Judged at {found.head[:12]} by the checker of the main branch; by hand:"
        f" `harness pull-request --base {found.base[:12]} --head {found.head[:12]}"
        f"{f' --account {found.account}' if found.account else ''}`"
    )
    return ("\n\n".join(parts))[:MAX_COMMENT] + "\n"


def _verification(found: Judgement) -> list[str]:
    lines = [
        f"{item.severity:<7} [{item.rule}] {item.path}: found {item.found};"
        f" expected {item.expected}"
        for item in found.findings
    ]
    lines += [
        f"clean   {folder}"
        for folder in found.folders
        if not any(is_of(item, folder) for item in found.findings)
    ]
    # The last line of a verdict says what to do next to somebody who has sent nothing yet.
    return lines + [line for item in found.verdicts for line in item.lines()[:-1]]


def _difference(found: Judgement) -> list[str]:
    lines = difflib.unified_diff(found.before, found.after, lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))] or ["no change"]


def fenced(lines: Iterable[str], language: str = "") -> str:
    """Return lines that no stranger's line can end, each cut to a bounded length."""
    clean = [shown(line, LINE_CHARACTERS).replace(FENCE, "~") for line in lines]
    more = len(clean) - MAX_LINES
    kept = clean[:MAX_LINES] + ([f"and {more} more"] if more > 0 else [])
    return "\n".join([FENCE + language, *kept, FENCE])
