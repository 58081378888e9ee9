"""The READMEs of a project, and the other files that state its scores, as one."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator

from harness.boards.board import Board, board_names
from harness.claims.figures import agrees, digits
from harness.claims.importing.adapter_settings import notebook_text, read_code_blocks
from harness.claims.importing.project import Project
from harness.claims.importing.readme.chosen_row import Hints
from harness.claims.importing.readme.markdown import MAX_README_CHARACTERS, plain_markdown
from harness.claims.importing.readme.readme import (
    Readme,
    read_readme,
    read_scores,
    unofficial_options,
)
from harness.claims.importing.readme.restructured import as_markdown
from harness.claims.importing.readme.sections import part_of_board, part_of_run
from harness.claims.importing.readme.stated_settings import code_blocks
from harness.claims.record import Quote
from harness.errors import RecordError

README = (
    r"(?i:readme(?:[._-][a-z]{2}(?:[_-][a-z]{2,4})?)?(?:\.(?:md|markdown|rst|txt))?"
    r"|(?:results?|model[_-]?card)\.(?:md|markdown|rst))"
)
"""README in whatever language and markup, and what else projects describe themselves in."""
RESULTS = (
    r"(?i:(?:eval(?:uation)?[_-])?(?:results?|scores?|metrics|accurac(?:y|ies))\.(?:json|csv)"
    r"|.*\.ipynb)"
)
"""Files that hold scores, and nothing else that is read."""


def read_readmes(
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
    for file in _near(project, README, app, board):
        if len(project.text(file)) > MAX_README_CHARACTERS:
            unread.append(
                f"{file}: what stands behind its first {MAX_README_CHARACTERS:,} characters"
            )
        text, own = part_of_run(part_of_board(_plain(project, file), board), hints.run, runs)
        item = read_readme(text, file, board, hints, unread)
        item.sources += tuple(read_code_blocks(code_blocks(text), file, unread))
        if own:
            found.own = (*found.own, *(part.values for part in item.sources))
        if not _evaluates(file):
            found.sources = (*found.sources, *item.sources)
        _add_scores(found, item, file, len(runs) < 2, unread)
        if found.traffic and item.traffic and found.traffic.text != item.traffic.text:
            other = f"{item.traffic.text} {item.traffic.unit}"
            unread.append(f"{file}: another figure of communication, {other}")
        found.traffic = found.traffic or item.traffic
        if found.costs.seconds is None and found.costs.per_hour is None:
            found.costs = item.costs
    for file in _near(project, RESULTS, app, board):
        if file not in project.digests:
            item = _scores_in(project, file, board, hints)
            _add_scores(found, item, file, len(runs) < 2, unread)
    return found


def _scores_in(project: Project, file: str, board: Board, hints: Hints) -> Readme:
    """Return the scores of a file that is no README: of two sets at least, and in one way."""
    try:
        text = project.text(file)
        if file.endswith(".ipynb"):
            text = notebook_text(text)
        elif file.lower().endswith(".json"):
            text = json.dumps(json.loads(text), indent=1)
        else:
            text = "\n".join(f"| {line.replace(',', ' | ')} |" for line in text.split("\n") if line)
    except (RecordError, ValueError, RecursionError):
        return Readme()
    found, _ = read_scores(plain_markdown(text), file, board, hints, [])
    if len(found.percents) < 2:
        project.digests.pop(file, None)
        return Readme()
    return found


def _add_scores(first: Readme, item: Readme, file: str, one_run: bool, unread: list[str]) -> None:
    """Take the scores of a further file, or what of them is not as the first one says.

    Args:
        first: what was found before, which is changed.
        item: what the file says.
        file: its name.
        one_run: whether the project evaluated one run alone, so that all files are of it.
        unread: collects figures that may be another run's.
    """
    if not first.percents:
        first.percents, first.average = item.percents, item.average
        first.row_model = item.row_model
        return
    other = {
        task: quote
        for task, quote in item.percents.items()
        if task in first.percents and not _same(quote, first.percents[task])
    }
    if other and one_run and item.row_model in (None, first.row_model):
        for task, quote in other.items():
            first.elsewhere[task] = (*first.elsewhere.get(task, ()), quote)[:10]
    elif other:
        unread.append(f"{file}: other figures of {', '.join(other)}, perhaps another run's")


def _same(one: Quote, other: Quote) -> bool:
    """Whether one of two figures is the other, rounded; a fraction may be taken for percent."""
    rough, fine = sorted((one, other), key=digits)
    return agrees(rough, float(fine.text))


def _near(project: Project, pattern: str, app: str, board: Board) -> list[str]:
    """Return files of a name that are the project's own, those of its evaluation last."""
    folder = app.rpartition("/")[0]
    names = [
        name
        for name in project.find(pattern)
        if name.count("/") <= 1 or name.rpartition("/")[0] == folder or _evaluates(name)
        if not any(_of_evaluation(name, other) for other in board_names() if other != board.id)
    ]
    return sorted(names, key=lambda name: (_evaluates(name), name.count("/"), name))


def _of_evaluation(name: str, board: str) -> bool:
    """Whether a file is of a board's evaluation: of `flowertune-eval-code/`, `evaluation/code/`."""
    return _evaluates(name) and re.search(rf"(?:^|[/_-]){board}/", name) is not None


def _evaluates(name: str) -> bool:
    return "eval" in name.lower() or "benchmark" in name.lower()


def unofficial_commands(project: Project, app: str, board: Board) -> Iterator[str]:
    """Yield a phrase for each unofficial option of an evaluation command in a README."""
    for file in _near(project, README, app, board):
        yield from unofficial_options(_plain(project, file), file, board)


def _plain(project: Project, file: str) -> str:
    """Return a README's text in the one form that is read, whatever it is written in."""
    text = project.text(file)
    return plain_markdown(as_markdown(text) if file.lower().endswith(".rst") else text)
