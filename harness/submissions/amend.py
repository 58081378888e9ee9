"""`harness amend`: what an entry says of its people and links is changed, or it is withdrawn.

Its record, answers and evidence stay as they are, and so does its name: links lead to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.document import parse_document, pretty_json, read_document, write_atomic
from harness.errors import RecordError, UsageError
from harness.record.about import About
from harness.record.file_names import ABOUT, MANIFEST
from harness.verify.read_submission import seal

FILED_WITH = ("schema_name", "schema_version", "date", "command", "adapter")
"""Fields of `about.json` that stay as they were filed, as its author's account does; the others
may change."""


def amend(folder: Path, stated: Mapping[str, Any], withdraw: str | None = None) -> About:
    """Change `about.json` of a submission and write its manifest anew.

    Args:
        folder: `submissions/<board>/<name>`.
        stated: what changes: `name` and `affiliation` of its author, `licence`, `code`, `paper`.
        withdraw: why it is withdrawn, or None: it is not.

    Returns:
        What it says now.

    Raises:
        UsageError: no submission with an author, nothing to change, an unusable value, or it is
            withdrawn already.
    """
    if not all((folder / name).is_file() for name in (ABOUT, MANIFEST)):
        raise UsageError(f"{folder}: no submission with {ABOUT}; give submissions/<board>/<name>")
    about = read_document(About, folder / ABOUT)
    changed = {key: value for key, value in stated.items() if value is not None}
    if not changed and withdraw is None:
        raise UsageError("nothing to change; see: harness amend --help")
    if about.author is None and changed.keys() & {"name", "affiliation"}:
        raise UsageError(f"{folder}: filed without an author; a maintainer can name one by hand")
    value = about.model_dump(mode="json", by_alias=True, exclude_none=True)
    for key in changed:
        (value["author"] if key in ("name", "affiliation") else value)[key] = changed[key]
    if withdraw is not None:
        if about.withdrawn is not None:
            raise UsageError(f"{folder}: {about.withdrawal}; a withdrawal stays as it is")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        value["withdrawn"] = {"date": now, "reason": withdraw}
    try:
        found = parse_document(About, value, "what is stated")
    except RecordError as error:
        raise UsageError(f"{error}; change the option") from None
    write_atomic(folder / ABOUT, pretty_json(value))
    seal(folder)
    return found


def objection(before: About | None, after: About, account: str) -> str:
    """Return why an account may not amend an entry as it does; empty where it may.

    Args:
        before: what the entry says; None where it says nothing.
        after: what it would say.
        account: on GitHub, of whoever asks for it; empty where nobody knows.
    """
    owner = "" if before is None or before.author is None else before.author.handle
    if before is None or not owner or owner.lower() != account.lower():
        whose = f"the account {owner}" if owner else "a maintainer, since it names no author"
        asks = account or "an account that --account does not name"
        return f"it is amended by {whose} alone, not by {asks}"
    if before.withdrawn not in (None, after.withdrawn):
        return "a withdrawal stays as it is"
    kept = all(getattr(before, name) == getattr(after, name) for name in FILED_WITH)
    if not kept or after.author is None or after.author.handle != owner:
        return (
            f"of an entry {', '.join(FILED_WITH[2:])} and its author's account stay; name,"
            " affiliation, licence and links may change"
        )
    return ""
