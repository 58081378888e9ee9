"""Settings of a project: the pyproject.toml that configures its Flower app, or its run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.boards.board import load_board
from harness.claims.importing.project import Project
from harness.claims.importing.readme.template_values import flatten, from_keys, supernodes_in
from harness.claims.record import ClaimedConfig
from harness.document.toml_text import parse_toml
from harness.errors import RecordError, UsageError

CONFIG = r"pyproject[^/]*\.toml"

BAD_LINE = re.compile(r"not TOML \(.*(?:at line ([0-9]{1,9}), column|at end of document)")
"""What tomllib says of the place. Source: CPython `tomllib/_parser.py`, `suffixed_err_msg`."""
MOST_BAD_LINES = 20
MAX_MENDED_CHARACTERS = 200_000
"""A file is parsed once for each bad line; the longest pyproject.toml seen has 6,000 characters."""


def read_config(
    project: Project, run: str | None, challenge: str | None, unread: list[str]
) -> tuple[str, ClaimedConfig]:
    """Return the file that configures the run, and what it says; ("", nothing) without one.

    Args:
        project: its files.
        run: as the user says, or None: `pyproject_<run>.toml` is its file where there is one, and
            among several apps the one in a folder of that name is.
        challenge: as the user says, or None: chooses among apps of several boards.
        unread: collects what is no TOML.

    Raises:
        UsageError: several apps, and nothing tells which one is meant.
    """
    apps: dict[str, dict[str, Any]] = {}
    for name in project.find(CONFIG):
        try:
            table = readable_toml(project.text(name), name, unread)
        except RecordError as error:
            unread.append(str(error))
            continue
        flwr = table.get("tool", {}).get("flwr", {}) if isinstance(table.get("tool"), dict) else {}
        if isinstance(flwr, dict) and isinstance(flwr.get("app"), dict):
            apps[name] = flwr
    if not apps:
        unread.append("no pyproject.toml with [tool.flwr.app]")
        return "", ClaimedConfig()
    name = _chosen(apps, run, challenge)
    for other in apps.keys() - {name}:
        project.digests.pop(other, None)
    return name, from_flwr(apps[name], name, unread)


def readable_toml(text: str, name: str, unread: list[str]) -> dict[str, Any]:
    """Return what a TOML file holds, lines that are no TOML left out and named.

    Published files have such lines: a letter after the last, the marks of a merge.

    Args:
        text: the file.
        name: of the file.
        unread: collects the lines' numbers.

    Raises:
        RecordError: more than `MOST_BAD_LINES` lines are no TOML, or it is refused whole.
    """
    lines, bad = text.split("\n"), list[int]()
    while True:
        try:
            table = parse_toml("\n".join(lines), name)
        except RecordError as error:
            at = BAD_LINE.search(str(error))
            if at is None or len(bad) == MOST_BAD_LINES or len(text) > MAX_MENDED_CHARACTERS:
                raise
            written = [number for number, line in enumerate(lines, 1) if line.strip()]
            number = int(at[1]) if at[1] else written[-1]
            if number in bad or number > len(lines):
                raise
            bad.append(number)
            lines[number - 1] = ""
            continue
        if bad:
            unread.append(f"{name}: no TOML and left out: line {', '.join(map(str, sorted(bad)))}")
        return table


def _chosen(apps: Mapping[str, dict[str, Any]], run: str | None, challenge: str | None) -> str:
    if run is not None:
        named = [name for name in apps if _names_run(name, run)]
        longest = max((len(_label(name)) for name in named), default=0)
        named = [name for name in named if len(_label(name)) == longest]
        if len(named) == 1:
            return named[0]
    plain = [name for name in apps if name.rsplit("/", 1)[-1] == "pyproject.toml"] or list(apps)
    shallow = min(name.count("/") for name in plain)
    names = [name for name in plain if name.count("/") == shallow]
    if len(names) > 1 and challenge is not None:
        datasets = load_board(challenge).datasets
        ours = [n for n in names if from_flwr(apps[n], n, []).dataset in datasets]
        names = ours if len(ours) == 1 else names
    if len(names) > 1:
        raise UsageError(
            f"several Flower apps: {', '.join(names)[:600]}; give the folder of one, or --run with"
            " the name of its folder"
        )
    return names[0]


def _label(name: str) -> str:
    """Return what names a configuration's run: X of `pyproject_X.toml`, of `X/pyproject.toml`."""
    folder, _, file = f"/{name}".rpartition("/")
    stem = file.removesuffix(".toml").removeprefix("pyproject").strip("_-. ")
    return stem or folder.rsplit("/", 1)[-1]


def _names_run(name: str, run: str) -> bool:
    """Whether a configuration's label ends a run's name, or the name without a count of rounds.

    `eval_results_SmolLM2-135M-Instruct_100round` is of pyproject_SmolLM2-135M-Instruct.toml; it is
    not of pyproject_SmolLM2-135M.toml, whose label does not end it.
    """
    label = _label(name)
    shorter = re.sub(r"[_-]?(?:\d+[_-]?rounds?|r(?:ound)?s?_?\d+|peft_?\d+)$", "", run, flags=re.I)
    return any(
        candidate == label or candidate.endswith((f"_{label}", f"-{label}", f"/{label}"))
        for candidate in (run, shorter)
        if label
    )


def from_flwr(flwr: Mapping[str, Any], name: str, unread: list[str]) -> ClaimedConfig:
    """Return the settings of a parsed `[tool.flwr]` table."""
    config = flwr.get("app", {}).get("config", {})
    flat = flatten(config if isinstance(config, dict) else {})

    def odd(key: str, value: Any) -> None:
        unread.append(f"{name}: {key} is {_shown(value)!r}")

    found = from_keys(flat, odd)
    if str(flat.get("use-flexlora", "")).lower() in ("1", "true"):
        found = found.with_values(strategy="FlexLoRA")
    federations = flwr.get("federations", {})
    if not isinstance(federations, dict):
        unread.append(f"{name}: tool.flwr.federations is no table")
        return found
    flat = flatten(federations)
    counts = {str(v) for key, v in flat.items() if key.endswith("options.num-supernodes")}
    supernodes = supernodes_in(flat)
    if supernodes is None and len(counts) > 1:
        several = " and ".join(sorted(counts)[:4])
        unread.append(f"{name}: federations of {several[:80]} supernodes, and none is the default")
    return found.with_values(num_supernodes=supernodes)


def _shown(value: Any) -> str:
    """Return the beginning of a value's text; an integer of many digits is not converted."""
    if isinstance(value, int) and abs(value) >= 2**64:
        return "an integer of more than 64 bits"
    return str(value)[:40]


def merged(first: ClaimedConfig, *others: ClaimedConfig | None) -> ClaimedConfig:
    """Return `first` with its gaps filled from the others, in their order."""
    values = first.model_dump()
    for other in others:
        for key, value in (other.model_dump() if other is not None else {}).items():
            if values[key] is None:
                values[key] = value
    return ClaimedConfig(**values)
