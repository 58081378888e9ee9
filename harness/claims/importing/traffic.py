"""Communication logs: the lines that the template's strategy prints."""

from __future__ import annotations

import re
from collections import Counter

from harness.claims.importing.project import Project
from harness.claims.record import ClaimedTraffic, Quote
from harness.errors import RecordError

LINE = re.compile(
    r"used ([0-9]{1,12}(?:\.[0-9]{1,4})?) MB \(\+([0-9]{1,12}(?:\.[0-9]{1,4})?) MB this round\)"
)
"""A line that the template's communication tracker logs. Source: template strategy.py."""


def read_traffic(
    project: Project, stated: Quote | None, run: str | None, rounds: int | None, unread: list[str]
) -> ClaimedTraffic:
    """Return the README's figure beside what one log says: the only one, or the run's.

    Args:
        project: whose `.txt` and `.log` files are searched for the strategy's lines.
        stated: the README's figure, where there is one.
        run: name of the run that was asked for; the log whose name ends it is taken.
        rounds: of the project's configuration; chooses among runs in one file.
        unread: collects that several logs are there and none can be chosen.
    """
    logs: dict[str, list[tuple[str, str]]] = {}
    for name in project.find(r".*\.(?:txt|log)"):
        try:
            lines = LINE.findall(project.text(name))
        except RecordError:
            continue
        if lines:
            logs[name] = lines
        else:
            del project.digests[name]
    if len(logs) > 1 and run is not None:
        logs = {name: logs[name] for name in _logs_of(list(logs), run)} or logs
    if len(logs) != 1:
        if logs:
            unread.append(f"{len(logs)} communication logs; which one is not certain")
        return ClaimedTraffic(stated=stated)
    [(name, every)] = logs.items()
    lines = _one_run(every, rounds, name, unread)
    steps = Counter(step for _, step in lines)
    return ClaimedTraffic(
        stated=stated,
        log_total=Quote(text=lines[-1][0], unit="MB", file=name),
        log_step=Quote(text=lines[0][1], unit="MB", file=name) if len(steps) == 1 else None,
        log_steps=dict(steps.most_common(20)),
        log_lines=len(lines),
    )


def _logs_of(names: list[str], run: str) -> list[str]:
    """Return the logs whose names say that they are a run's.

    A name says so when it ends the run's, a count of rounds left out, or when what it holds beyond
    the others' names stands in the run's: of `comm_cost_r10` and `comm_cost_r100` the second is of
    `medical_r100_p100`. A name that says more than a shorter one wins.
    """
    stems = {name: name.rsplit("/", 1)[-1].rsplit(".", 1)[0] for name in names}
    bare = re.sub(r"[_-]?\d+[_-]?rounds?$", "", run, flags=re.IGNORECASE)
    ends = [n for n, stem in stems.items() if run.endswith(stem) or bare.endswith(stem)]
    if ends:
        longest = max(len(stems[name]) for name in ends)
        return [name for name in ends if len(stems[name]) == longest]
    words = {name: set(re.split(r"[^A-Za-z0-9.]+", stem)) for name, stem in stems.items()}
    shared = set.intersection(*words.values())
    ours = set(re.split(r"[^A-Za-z0-9.]+", run))
    return [name for name, said in words.items() if said - shared and said - shared <= ours]


def _one_run(
    lines: list[tuple[str, str]], rounds: int | None, name: str, unread: list[str]
) -> list[tuple[str, str]]:
    """Return the lines of the last whole run in a file that holds several, one below the other.

    The strategy appends to its file, so an interrupted run stands before the one that was
    submitted. A run begins where the total is what its first line adds.
    """
    runs: list[list[tuple[str, str]]] = []
    for total, step in lines:
        if not runs or total == step:
            runs.append([])
        runs[-1].append((total, step))
    whole = [run for run in runs if rounds is not None and len(run) == 2 * rounds] or runs
    if len(runs) > 1:
        ends = sorted({run[-1][0] for run in whole})
        said = f"{name}: {len(runs)} runs in one file; the last whole one is read"
        if len(ends) > 1:
            said += f", others end at {', '.join(e for e in ends[:5] if e != whole[-1][-1][0])} MB"
        unread.append(said)
    return whole[-1]
