"""Settings that a README states: lists, tables, TOML and the template's sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.claims.importing.readme.labels import pairs_in
from harness.claims.importing.readme.markdown import MARKS, one_by_one, tables
from harness.claims.importing.readme.sentences import in_sentences
from harness.claims.importing.readme.template_values import flatten, from_keys, supernodes_in
from harness.claims.record import ClaimedConfig, SettingsSource
from harness.document.toml_text import parse_toml
from harness.errors import RecordError

FENCE = re.compile(r"^[ \t]*```[ \t]*([\w-]*)[^\n]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
YAML = ("json", "yaml", "yml")
"""Languages of a code block whose lines are `label: value` as a list's are, quotes apart."""
KEY_PREFIX = re.compile(r"\b(?:model\.lora|train\.training-arguments|train|strategy(?=\.fr))\.")
"""What stands before the last part of a template's key, which is a label."""
FRONT_MATTER = re.compile(r"\A\s*---\n(.{0,4000}?)\n---\n", re.DOTALL)
INLINE_KEY = re.compile(r"`([\w.-]{1,80}[ \t]*=[ \t]*[^`\n]{1,200})`")
FLWR_RUN = re.compile(r"flwr run\b[^\n`]*")
RUN_OPTION = re.compile(
    r"--(?:run|(federation))-config(?:=|[ \t]+)"
    r"(?:\"([^\"\n]{1,2000})\"|'([^'\n]{1,2000})'|([^\s\"']{1,400}))"
)
ASSIGNED = re.compile(r"([\w.-]{1,80})[ \t]*=[ \t]*(\"[^\"]*\"|'[^']*'|[^\s\"']+)")
"""One setting of an option of `flwr run`. Source: flwr `parse_config_args`."""
MODEL_NAME = re.compile(r"for the \**([\w.-]{1,80}/[\w.-]{1,80})\** model", re.IGNORECASE)
LISTED_TARGETS = re.compile(
    r"target[ _-]modules\**:?\**:?[ \t]*\n"
    r"((?:[ \t]*\n)?(?:[ \t]+[-*+][ \t]+`?[\w.-]{1,60}`?,?[ \t]*\n?){1,20})",
    re.IGNORECASE,
)
DORA = re.compile(
    r"use[_-]dora[`\"']?\s{0,5}[=:]\s{0,5}true|\[?DoRA\b[^\n]{0,100}(?:configuration|adapter)"
    r"|(?:with|using|use|via|technique|method|peft)\**:?\**\s+\[?\**DoRA\b|- \**DoRA\b",
    re.IGNORECASE,
)
ANY_DORA = re.compile(r"\bDoRA\b", re.IGNORECASE)
LORA = re.compile(r"\bLoRA\b", re.IGNORECASE)
DATASET = re.compile(r"huggingface\.co/datasets/([\w.-]{1,80}/[\w.-]{1,80})")
LISTED_DATASET = re.compile(
    r"[ \t]*(?:[-*+][ \t]+)?(?:training[ _-]|train[ _-]|fine-?tuning[ _-])?data[ _-]?set"
    r"(?:[ _-]name)?[ \t]*[:=][ \t]*[\"']?([A-Za-z][\w.-]{0,80}/(?=[\w.-]*[A-Za-z])[\w.-]{0,80}\w)"
    r"[\"']?[ \t]*(?=$|[(,;|–—.])",
    re.IGNORECASE,
)
"""A hub id and nothing else behind the label: `Dataset: train/test split` names none."""
FILE_SUFFIX = re.compile(r"\.(?:jsonl?|csv|tsv|txt|parquet|zip)$", re.IGNORECASE)
OF_EVALUATION = re.compile(r"#{1,6}[ \t].*\b(?:eval|benchmark|result|test)", re.IGNORECASE)
"""A heading below which a data set may be one that is evaluated on."""
NOT_OURS = (
    "baseline", "comment", "default", "description", "meaning", "note", "original", "remark",
    "source", "template", "upstream",
)  # fmt: skip
"""What the headings of columns say that hold no values of the run."""


def readme_sources(text: str, file: str, unread: list[str]) -> Iterator[SettingsSource]:
    """Yield what a README states of the settings: its lists, its TOML, the template's sentences.

    Args:
        text: the whole README.
        file: its name, for `where`.
        unread: collects a setting that one part states in two ways.
    """
    prose = FENCE.sub(
        lambda block: block[2].replace('"', "") if block[1].lower() in YAML else "\n", text
    )
    parts = (
        (file, list(_listed(prose))),
        (f"{file} (its data set)", [("dataset", name) for name in _listed_datasets(prose)]),
        (f"{file} (its TOML)", list(_in_toml(text, prose))),
        (f"{file} (its commands)", list(_in_commands(text))),
        (f"{file} (its sentences)", list(in_sentences(prose))),
    )
    for where, found in parts:
        values = _certain(found, where, unread)
        if values:
            yield SettingsSource(where=where, values=ClaimedConfig.model_validate(values))


def _certain(found: list[tuple[str, Any]], where: str, unread: list[str]) -> Mapping[str, Any]:
    """Return the settings that are stated in one way; what is stated in two is named."""
    values: dict[str, list[Any]] = {}
    for field, value in found:
        if value not in values.setdefault(field, []):
            values[field].append(value)
    for field, several in values.items():
        if len(several) > 1:
            shown = " and ".join(str(item)[:40] for item in several[:4])
            unread.append(f"{where}: {field} is {shown}; which one is not certain")
    return {field: several[0] for field, several in values.items() if len(several) == 1}


def _listed(prose: str) -> Iterator[tuple[str, Any]]:
    front = FRONT_MATTER.match(prose)
    if front:
        prose = prose[front.end() :]
        yield from (pair for pair in pairs_in(front.group(1)) if pair[0] == "model")
    for line in _lines(INLINE_KEY.sub("", prose)):
        for said in one_by_one(KEY_PREFIX.sub("", line)):
            yield from pairs_in(said)
    for match in LISTED_TARGETS.finditer(prose):
        names = re.findall(r"[-*+][ \t]+`?([\w.-]+)`?", match.group(1))
        yield "targets", tuple(names)
    for match in MODEL_NAME.finditer(prose):
        yield "model", match.group(1)
    if DORA.search(prose):
        yield "dora", True
    elif LORA.search(prose) and not ANY_DORA.search(prose):
        yield "dora", False
    # Links of a README may be to whatever it speaks of; what a list names is meant.
    datasets = set(_listed_datasets(prose)) or set(DATASET.findall(prose))
    if len(datasets) == 1:
        yield "dataset", datasets.pop()


def _listed_datasets(prose: str) -> Iterator[str]:
    """Yield the hub ids that lists and tables name as the data set, evaluation's sections apart."""
    left_out = 0  # Level of the heading of evaluation that a section lies below; 0 for none.
    for section in re.split(r"^(?=#{1,6}[ \t])", FRONT_MATTER.sub("", prose), flags=re.MULTILINE):
        level = len(section) - len(section.lstrip("#"))
        if not 0 < left_out < level:
            left_out = level if OF_EVALUATION.match(section) else 0
        if not left_out:
            found = map(LISTED_DATASET.match, _lines(section))
            names = (match[1] for match in found if match is not None)
            yield from (name for name in names if not FILE_SUFFIX.search(name))


def _lines(prose: str) -> Iterator[str]:
    """Yield the lines that may hold a label and its value, tables' rows as `label: value`."""
    for line in prose.split("\n"):
        if len(line) <= 2000 and not line.lstrip().startswith("|"):
            # A link is reduced to its words; a label may be one.
            words = re.sub(r"\[([^\]\[]{0,200})\]\([^)(]{0,400}\)", r"\1", line)
            yield MARKS.sub("", words)
    for table in tables(prose):
        column = _value_column(table[0]) if table else None
        if column is not None:
            for row in table:
                if len(row) > column:
                    yield MARKS.sub("", f"{row[0]}: {row[column]}")
        if len(table) == 2 and len(table[0]) == len(table[1]):
            across = [MARKS.sub("", f"{h}: {cell}") for h, cell in zip(*table, strict=True)]
            if sum(any(True for _ in pairs_in(pair)) for pair in across) > 1:
                yield from across


def _value_column(header: list[str]) -> int | None:
    """Return the column that holds the project's own values, or None where that is not certain."""
    if len(header) == 2:
        return 1
    others = [
        index
        for index, cell in enumerate(header)
        if index > 0 and not any(word in cell.lower() for word in NOT_OURS)
    ]
    return others[0] if len(others) == 1 and len(header) > 2 else None


def _in_toml(text: str, prose: str) -> Iterator[tuple[str, Any]]:
    blocks = [body for language, body in FENCE.findall(text) if language.lower() in ("toml", "ini")]
    blocks += INLINE_KEY.findall(prose)
    for block in blocks:
        try:
            table = parse_toml(block, "a TOML block")
        except RecordError:
            table = {}
            for line in block.split("\n"):  # Some lines of a block are often no TOML.
                try:
                    table |= flatten(parse_toml(line, "a TOML line"))
                except RecordError:
                    continue
        yield from settings_of(flatten(table))


def code_blocks(text: str) -> Iterator[str]:
    """Yield the Python of a README."""
    blocks = FENCE.findall(text)
    yield from (
        body for language, body in blocks if language.lower() in ("python", "py", "python3")
    )


def _in_commands(text: str) -> Iterator[tuple[str, Any]]:
    """Yield what the options of `flwr run` change: they go before the pyproject.toml.

    Of several different commands most are examples ("settings that you might want to test"), so
    that only another data set, which none may have, is told.
    """
    commands = {" ".join(found.split()) for found in FLWR_RUN.findall(text.replace("\\\n", " "))}
    for command in sorted(commands):
        for field, value in _changed_by(command):
            if len(commands) == 1 or field == "dataset":
                yield field, value


def _changed_by(command: str) -> Iterator[tuple[str, Any]]:
    for federation, *quoted in RUN_OPTION.findall(command):
        flat: dict[str, Any] = {}
        for key, value in ASSIGNED.findall("".join(quoted)):
            name = f"options.{key}" if federation else key
            try:
                flat[name] = parse_toml(f"value = {value}", "an option")["value"]
            except RecordError:  # The shell takes quotes away.
                flat[name] = value
        yield from settings_of(flatten(flat))


def settings_of(flat: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return (setting, value) of the template's keys, whatever tables stand around them."""
    short = {
        key.split("tool.flwr.app.config.", 1)[-1].removeprefix("static."): value
        for key, value in flat.items()
    }
    stated = from_keys(short, lambda key, value: None).model_dump()
    stated["num_supernodes"] = supernodes_in(flat)
    return [
        (field, value) for field, value in stated.items() if value is not None and field != "api"
    ]
