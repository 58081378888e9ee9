"""A project folder becomes its claimed record."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from harness.claims.exported_app import exported_spec, settings_of_spec
from harness.claims.importing.adapter_settings import read_adapter_config, read_code
from harness.claims.importing.choose_board import choose_board
from harness.claims.importing.config import merged, read_config
from harness.claims.importing.evaluations import (
    Execute,
    published_runs,
    read_sets,
    stated_fractions,
)
from harness.claims.importing.project import choose_run, open_project
from harness.claims.importing.readme.chosen_row import Hints
from harness.claims.importing.readmes import read_readmes, unofficial_commands
from harness.claims.importing.traffic import read_traffic
from harness.claims.record import ClaimedConfig, ClaimRecord, SettingsSource


def import_project(
    folder: Path,
    *,
    challenge: str | None = None,
    run: str | None = None,
    name: str | None = None,
    source: str = "",
    execute: Execute | None = None,
) -> ClaimRecord:
    """Read a project as a claim.

    Args:
        folder: the project's top folder.
        challenge: which board; None: as its data set or evaluation folder says.
        run: name of the evaluated run, when there are several.
        name: name of the claim; None: made from the folder's.
        source: where the project can be found.
        execute: runs the programs of a project whose board scores programs; None: nothing runs.

    Raises:
        UsageError: the board or the run cannot be told.
        RecordError: a file cannot be read.
    """
    project = open_project(folder)
    unread: list[str] = []
    app, configured = read_config(project, run, challenge, unread)
    adapter = read_adapter_config(project, unread)
    code = read_code(project, app, unread)
    exported = exported_spec(folder, unread)
    spec = [] if exported is None else [(exported[0], settings_of_spec(exported[1]))]
    sources = [
        SettingsSource(where=where, values=values)
        for where, values in (*spec, (app, configured), *([adapter] if adapter else []), *code)
        if values != ClaimedConfig()
    ]
    config = merged(*(item.values for item in sources), configured)
    board = choose_board(project, config.dataset, challenge)
    runs = published_runs(project, board)
    chosen = choose_run(runs, run, project.folder)
    evaluated = read_sets(project, board, runs.get(chosen or "", {}), unread, execute)
    fractions = tuple((s.task, s.fraction.text) for s in evaluated if s.fraction is not None)
    others = tuple(
        (name, stated_fractions(project, board, files))
        for name, files in sorted(runs.items())
        if name != chosen
    )
    hints = Hints(config.model, run, fractions, tuple(board.rows.items()), others)
    readme = read_readmes(project, app, board, hints, runs.keys(), unread)
    # What a README states of this run alone is nearer to it than a file that all runs share.
    settings = merged(*readme.own, config, *(item.values for item in readme.sources))
    sets = tuple(
        item.with_values(
            percent=readme.percents.get(item.task), elsewhere=readme.elsewhere.get(item.task, ())
        )
        for item in evaluated
    )
    traffic = read_traffic(project, readme.traffic, run, settings.rounds, unread)
    return ClaimRecord(
        name=name or claim_name(folder),
        imported=datetime.now(UTC).isoformat(timespec="seconds"),
        challenge=board.id,
        source=source,
        config=settings,
        stated=readme.settings,
        sources=(*sources, *readme.sources)[:40],
        unofficial_commands=tuple(dict.fromkeys(unofficial_commands(project, app, board)))[:30],
        sets=sets,
        average=readme.average,
        traffic=traffic,
        costs=readme.costs,
        adapter_config=adapter is not None,
        unread=tuple(item[:300] for item in dict.fromkeys(unread)),
        files=dict(sorted(project.digests.items())),
    )


def claim_name(folder: Path) -> str:
    """Return a claim's name made from its folder's."""
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._")
    return (name or "claim")[:64]
