"""Rules on `about.json`: its date, the adapter that it links to, and the command."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from harness.errors import HarnessError
from harness.planning.settings.overrides import FIELDS, parse_overrides
from harness.recipe import FILE_PLUGIN
from harness.record.about import About
from harness.record.file_names import ABOUT
from harness.verify.rule import Breach, Rule
from harness.verify.rules.run.times_and_costs import CLOCK_SKEW, moment_of
from harness.verify.submission import Submission

OPTIONS = (
    "--plugin",
    "--challenge",
    "--set",
    "--seed",
    "--device",
    "--threads",
    "--limit",
    "--division",
)
"""Options of `harness run` with a value that a command may hold; `--smoke` has none."""


def about(submission: Submission) -> Iterator[Breach]:
    """It was submitted after the run and not in the future, and links to the run's own adapter."""
    found = submission.about
    if found is None:
        return
    moment, created = moment_of(found.date), moment_of(submission.record.created)
    if moment is None:
        yield "date", found.date, "a UTC time that exists, 2026-03-29T12:00:00Z"
    elif created is not None and moment < created - CLOCK_SKEW:
        yield "date", found.date, f"after the run: {submission.record.created}"
    elif moment > datetime.now(UTC) + CLOCK_SKEW:
        yield "date", found.date, "not in the future"
    yield from _withdrawn(found)
    adapter = submission.record.adapter
    if found.adapter is not None and found.adapter.sha256 != adapter.sha256:
        yield "adapter.sha256", found.adapter.sha256, f"the record's {adapter.sha256}"
    if found.adapter is not None and found.adapter.bytes != adapter.file_bytes:
        yield "adapter.bytes", found.adapter.bytes, f"the record's {adapter.file_bytes}"


def _withdrawn(found: About) -> Iterator[Breach]:
    if found.withdrawn is None:
        return
    date, filed = moment_of(found.withdrawn.date), moment_of(found.date)
    if date is None:
        yield "withdrawn.date", found.withdrawn.date, "a UTC time that exists, 2026-03-29T12:00:00Z"
    elif filed is not None and date < filed:
        yield "withdrawn.date", found.withdrawn.date, f"after it was filed: {found.date}"
    elif date > datetime.now(UTC) + CLOCK_SKEW:
        yield "withdrawn.date", found.withdrawn.date, "not in the future"


def command(submission: Submission) -> Iterator[Breach]:
    """What was typed asks for this run: its plugin, seed, device and every value that was set."""
    found = submission.about
    if found is None or not found.command:
        return
    spec = submission.record.spec
    given = _given(found, spec.plugin == FILE_PLUGIN)
    if given is None:
        yield "command", " ".join(found.command), "harness run and its options, each with a value"
        return
    expected = {
        "--plugin": [] if spec.plugin == FILE_PLUGIN else [spec.label],
        "--seed": [str(spec.seed)],
        "--device": [spec.compute.device],
        "--threads": [str(spec.compute.threads)],
        "--limit": [] if spec.evaluation_rows is None else [str(spec.evaluation_rows)],
        "--smoke": ["--smoke"] if spec.smoke else [],
        "--division": [spec.division] if "--division" in given or spec.division == "open" else [],
    }
    for option, values in expected.items():
        if given.get(option, []) != values:
            yield f"command: {option}", given.get(option, []), values
    if given.get("--challenge", [spec.challenge.id]) != [spec.challenge.id]:
        yield "command: --challenge", given["--challenge"], spec.challenge.id
    yield from _overrides(submission, given.get("--set", []))


def _given(found: About, of_file: bool) -> dict[str, list[str]] | None:
    """Return option -> its values; None for what is no `harness run` of known options.

    Args:
        found: what was submitted beside the record.
        of_file: whether the recipe came out of a file, which stands before the options.
    """
    given: dict[str, list[str]] = {}
    if found.command[:2] != ("harness", "run"):
        return None
    if of_file and not "".join(found.command[2:3]).endswith(".toml"):
        return None
    words = iter(found.command[3 if of_file else 2 :])
    for word in words:
        value = word if word == "--smoke" else next(words, None)
        if value is None or word not in (*OPTIONS, "--smoke"):
            return None
        given.setdefault(word, []).append(value)
    return given


def _overrides(submission: Submission, options: list[str]) -> Iterator[Breach]:
    # A smoke run replaces what was set for training and model by its own, by design.
    if submission.record.spec.smoke:
        return
    try:
        overrides = parse_overrides(options)
        values = overrides.values
    except HarnessError as error:
        yield "command: --set", str(error), "settings that harness run takes"
        return
    spec = submission.record.spec.model_dump(mode="json")
    # What only the open division may change is in a closed run's command by mistake or deceit.
    values = values | {f"open.{path}": value for path, value in overrides.rules.items()}
    for path, value in values.items():
        actual = _at(spec, path)
        if not _same(value, actual):
            yield f"command: --set {path}", value, actual


def _same(value: Any, actual: Any) -> bool:
    """Whether a value that was typed may have become this value of the spec."""
    if isinstance(value, str) and isinstance(actual, str):
        # A component is named with its plugin or without: `dora` for `standard/dora`.
        return value == actual or f"/{value}".endswith(f"/{actual}") or actual.endswith(f"/{value}")
    numbers = isinstance(value, int | float) and isinstance(actual, int | float)
    # A component may read a list from a text, or a text from a number: then nothing is known.
    return value == actual if numbers or type(value) is type(actual) else actual is not None


def _at(spec: dict[str, Any], path: str) -> Any:
    """Return the value of a spec at a path of `--set`: `model_fields.dtype`, `peft.params.r`."""
    if path == "model":
        path = "model.name"
    node: Any = spec
    for part in path.replace(FIELDS, "model.", 1).split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


RULES = (
    Rule("about", "The submission is of its time and links to its own adapter",
         "harness submission format", about, file=ABOUT),
    Rule("command", "The command asks for this run", "harness submission format", command,
         file=ABOUT),
)  # fmt: skip
