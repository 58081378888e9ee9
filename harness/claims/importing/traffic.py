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
    project: Project, stated: Quote | None, run: str | None, unread: list[str]
) -> ClaimedTraffic:
    """Return the README's figure beside what one log says: the only one, or the run's.

    Args:
        project: whose `.txt` and `.log` files are searched for the strategy's lines.
        stated: the README's figure, where there is one.
        run: name of the run that was asked for; the log whose name ends it is taken.
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
        stems = {name: name.rsplit("/", 1)[-1].rsplit(".", 1)[0] for name in logs}
        longest = max((len(s) for s in stems.values() if run.endswith(s)), default=-1)
        ours = [n for n, stem in stems.items() if run.endswith(stem) and len(stem) == longest]
        logs = {name: logs[name] for name in ours} or logs
    if len(logs) != 1:
        if logs:
            unread.append(f"{len(logs)} communication logs; which one is not certain")
        return ClaimedTraffic(stated=stated)
    [(name, lines)] = logs.items()
    steps = Counter(step for _, step in lines)
    return ClaimedTraffic(
        stated=stated,
        log_total=Quote(text=lines[-1][0], unit="MB", file=name),
        log_step=Quote(text=lines[0][1], unit="MB", file=name) if len(steps) == 1 else None,
        log_steps=dict(steps.most_common(20)),
        log_lines=len(lines),
    )
