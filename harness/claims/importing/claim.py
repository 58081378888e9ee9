"""A project folder becomes its claimed record."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from harness.boards.board import Board, board_names
from harness.claims.exported_app import exported_spec, settings_of_spec
from harness.claims.figures import agrees, digits
from harness.claims.importing.adapter_settings import (
    read_adapter_config,
    read_code,
    read_code_blocks,
)
from harness.claims.importing.choose_board import choose_board
from harness.claims.importing.config import merged, read_config
from harness.claims.importing.evaluations import Execute, published_runs, read_sets
from harness.claims.importing.project import Project, open_project
from harness.claims.importing.readme.chosen_row import Hints
from harness.claims.importing.readme.markdown import MAX_README_CHARACTERS, plain_markdown
from harness.claims.importing.readme.readme import (
    Readme,
    part_of_run,
    read_readme,
    unofficial_options,
)
from harness.claims.importing.readme.restructured import as_markdown
from harness.claims.importing.readme.stated_settings import code_blocks
from harness.claims.importing.traffic import read_traffic
from harness.claims.record import ClaimedConfig, ClaimRecord, SettingsSource

README = (
    r"(?i:readme(?:[._-][a-z]{2}(?:[_-][a-z]{2,4})?)?(?:\.(?:md|markdown|rst|txt))?"
    r"|(?:results?|model[_-]?card)\.(?:md|markdown|rst))"
)
"""README in whatever language and markup, and what else projects state their scores in."""


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
    evaluated = read_sets(project, board, run, unread, execute)
    fractions = tuple((s.task, s.fraction.text) for s in evaluated if s.fraction is not None)
    runs = published_runs(project, board).keys()
    readme = _readmes(project, app, board, Hints(config.model, run, fractions), runs, unread)
    # What a README states of this run alone is nearer to it than a file that all runs share.
    settings = merged(*readme.own, config, *(item.values for item in readme.sources))
    sets = tuple(item.with_values(percent=readme.percents.get(item.task)) for item in evaluated)
    traffic = read_traffic(project, readme.traffic, run, settings.rounds, unread)
    return ClaimRecord(
        name=name or claim_name(folder),
        imported=datetime.now(UTC).isoformat(timespec="seconds"),
        challenge=board.id,
        source=source,
        config=settings,
        stated=readme.settings,
        sources=(*sources, *readme.sources)[:40],
        unofficial_commands=tuple(dict.fromkeys(_commands(project, app, board)))[:30],
        sets=sets,
        average=readme.average,
        traffic=traffic,
        costs=readme.costs,
        adapter_config=adapter is not None,
        unread=tuple(item[:300] for item in dict.fromkeys(unread)),
        files=dict(sorted(project.digests.items())),
    )


def _readmes(
    project: Project, app: str, board: Board, hints: Hints, runs: Collection[str], unread: list[str]
) -> Readme:
    """Return what the READMEs say: the project's first, then its app's, then the evaluation's.

    Upstream's own README of the evaluation states no score and no figure, so what is found in an
    evaluation's README is the participant's.

    Args:
        project: its files.
        app: the file that configures the run.
        board: whose sets to look for.
        hints: to choose among rows of several models or runs.
        runs: the names of all evaluated runs; sections of others are left out.
        unread: collects what is ambiguous.
    """
    found = Readme()
    for file in _readme_files(project, app, board):
        written = project.text(file)
        if len(written) > MAX_README_CHARACTERS:
            unread.append(
                f"{file}: what stands behind its first {MAX_README_CHARACTERS} characters"
            )
        text, own = part_of_run(_plain(project, file), hints.run, runs)
        item = read_readme(text, file, board, hints, unread)
        item.sources += tuple(read_code_blocks(code_blocks(text), file, unread))
        if own:
            found.own = (*found.own, *(part.values for part in item.sources))
        if not _evaluates(file):
            found.sources = (*found.sources, *item.sources)
        if not found.percents:
            found.percents, found.average = item.percents, item.average
            found.row_model = item.row_model
        elif differing := _differing(item, found):
            unread.append(f"{file}: other figures of {', '.join(differing)}")
        found.traffic = found.traffic or item.traffic
        if found.costs.seconds is None and found.costs.per_hour is None:
            found.costs = item.costs
    return found


def _differing(item: Readme, first: Readme) -> list[str]:
    """Return the sets of which a second README has a figure that does not round to the first's."""
    both = item.percents.keys() & first.percents.keys()
    pairs = {task: sorted((item.percents[task], first.percents[task]), key=digits) for task in both}
    return sorted(
        task for task, (rough, fine) in pairs.items() if not agrees(rough, float(fine.text))
    )


def _readme_files(project: Project, app: str, board: Board) -> list[str]:
    folder = app.rpartition("/")[0]
    names = [
        name
        for name in project.find(README)
        if name.count("/") <= 1 or name.rpartition("/")[0] == folder or _evaluates(name)
        if not any(f"eval-{other}/" in name for other in board_names() if other != board.id)
    ]
    return sorted(names, key=lambda name: (_evaluates(name), name.count("/"), name))


def _evaluates(name: str) -> bool:
    return "eval" in name.lower() or "benchmark" in name.lower()


def _commands(project: Project, app: str, board: Board) -> Iterator[str]:
    for file in _readme_files(project, app, board):
        yield from unofficial_options(_plain(project, file), file, board)


def _plain(project: Project, file: str) -> str:
    """Return a README's text in the one form that is read, whatever it is written in."""
    text = project.text(file)
    return plain_markdown(as_markdown(text) if file.lower().endswith(".rst") else text)


def claim_name(folder: Path) -> str:
    """Return a claim's name made from its folder's."""
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._")
    return (name or "claim")[:64]
