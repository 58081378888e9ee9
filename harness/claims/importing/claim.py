"""A project folder becomes its claimed record."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from harness.boards.board import Board
from harness.claims.importing.choose_board import choose_board
from harness.claims.importing.config import merged, read_adapter_config, read_config
from harness.claims.importing.evaluations import read_sets
from harness.claims.importing.project import open_project
from harness.claims.importing.readme import Readme, read_readme
from harness.claims.importing.score_tables import Hints
from harness.claims.importing.traffic import read_traffic
from harness.claims.record import ClaimRecord


def import_project(
    folder: Path,
    *,
    challenge: str | None = None,
    run: str | None = None,
    name: str | None = None,
    source: str = "",
) -> ClaimRecord:
    """Read a project as a claim.

    Args:
        folder: the project's top folder.
        challenge: which board; None: as its data set or evaluation folder says.
        run: name of the evaluated run, when there are several.
        name: name of the claim; None: made from the folder's.
        source: where the project can be found.

    Raises:
        UsageError: the board or the run cannot be told.
        RecordError: a file cannot be read.
    """
    project = open_project(folder)
    unread: list[str] = []
    config = read_config(project, unread)
    adapter = read_adapter_config(project, unread)
    config = merged(config, adapter)
    board = choose_board(project, config.dataset, challenge)
    readmes = [item for item in project.find(r"README\.md") if item.count("/") <= 1]
    readme = Readme()
    evaluated = read_sets(project, board, run, unread)
    fractions = tuple((s.task, s.fraction.text) for s in evaluated if s.fraction is not None)
    hints = Hints(config.model, run, fractions)
    for file in readmes:
        if "eval" in file.lower():
            continue  # The evaluation's README is upstream's.
        item = read_readme(project.text(file), file, board, hints, unread)
        readme = readme if readme.percents else item
    settings = merged(config, readme.settings)
    sets = tuple(item.with_values(percent=readme.percents.get(item.task)) for item in evaluated)
    traffic = read_traffic(project, readme.traffic, run, unread)
    return ClaimRecord(
        name=name or claim_name(folder, board),
        imported=datetime.now(UTC).isoformat(timespec="seconds"),
        challenge=board.id,
        source=source,
        config=settings,
        stated=readme.settings,
        sets=sets,
        average=readme.average,
        traffic=traffic,
        costs=readme.costs,
        adapter_config=adapter is not None,
        unread=tuple(item[:300] for item in unread),
        files=dict(sorted(project.digests.items())),
    )


def claim_name(folder: Path, board: Board) -> str:
    """Return a claim's name made from its folder's."""
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._")
    return (name or f"claim-{board.id}")[:64]
