"""Rules on the form of a record: one form for one content, identifiers that name one thing, lines.

A record is shown in tables, cards and terminals, and its spec is known by a digest. So what looks
alike is alike: names are ASCII, texts are single lines, and a value is written in one way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harness.document import canonical_json
from harness.document.exact import inexact, same_text
from harness.document.plain_values import why_not_plain
from harness.planning.settings.templates import (
    contamination_faults,
    data_faults,
    prompt_faults,
)
from harness.record.forms import RECORD_FORMS
from harness.verify.independent.known_components import KNOWN, fault_of_params
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
PLAIN_NAME = "a name of a-z, 0-9, dot, underscore and hyphen"
TENSOR = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,299}"
IDENTIFIERS: dict[str, tuple[re.Pattern[str], str]] = {
    place: (re.compile(pattern), expected)
    for places, pattern, expected in (
        (("spec.plugin", "spec.recipe", "spec.model.name", "spec.plugins.name", "plugins.name"),
         NAME, PLAIN_NAME),
        (("spec.peft.name", "spec.strategy.name"), f"{NAME}/{NAME}", "plugin/component"),
        (("spec.model.hub_id",),
         r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?",
         "owner/name as on the hub: letters, digits, dot, underscore, hyphen"),
        (("spec.model.revision",), r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", "a branch or a commit"),
        (("spec.model.licence",), r"([A-Za-z0-9][A-Za-z0-9.+ ()-]{0,99})?",
         "a licence in letters, digits, dot, plus and hyphen"),
        (("spec.plugins.version", "plugins.version", "environment.harness.version",
          "environment.python"), r"[0-9][0-9A-Za-z.+!-]{0,99}", "a version"),
        (("adapter.tensors.name", "spec.peft.params.target_modules",
          "spec.peft.params.feedforward_modules", "environment.foreign_modules"),
         TENSOR, "a path of names with dots between"),
    )
    for place in places
}  # fmt: skip
"""Place of an identifier -> (what it is made of, in words)."""

FREE_LINES = re.compile(
    r"environment\.(platform|device\.name|device\.note)|data\.notes|ineligible_because"
)
"""Places of single lines in whatever script."""
MACHINE = re.compile(r"environment\.(platform|device\.name)")
LONGEST_MACHINE = 200
"""Characters of a machine's name, which pages and cards write out; the longest seen has 61."""
FREE_TEXTS = re.compile(r"spec\.train\.(prompt|data)\..*")
"""Places of texts that may have several lines."""


def canonical(submission: Submission) -> Iterator[Breach]:
    """The record is written as the harness writes it: no other types, nothing left out."""
    record = submission.record
    if problem := why_not_plain(submission.raw["spec"], "spec"):
        yield "spec", problem, "plain values, each in one form"
    forms = RECORD_FORMS.get(record.schema_version, ())
    # Equal texts are equal in every value and type; only where they are not is it asked where.
    if same_text(submission.canonical, record.to_json(), forms):
        return
    for place, found, expected in inexact(dict(submission.raw), record.to_json(), forms):
        yield place, _typed(found), _typed(expected)


def _typed(value: object) -> str:
    """Return a value so that `5`, `5.0` and `'5'` look different."""
    return value if isinstance(value, str) and " " in value else repr(value)


def identifiers(submission: Submission) -> Iterator[Breach]:
    """Names are ASCII of a known form; what else is text is one printable line."""
    if _surely_plain(submission):
        return
    pending: list[tuple[str, Any]] = [("", submission.raw)]
    while pending:
        place, value = pending.pop()
        if isinstance(value, dict):
            for key, item in value.items():
                below = f"{place}.{key}" if place else key
                if not FREE_TEXTS.fullmatch(below) and not (key.isascii() and key.isprintable()):
                    yield place, key, "a key of printable ASCII"
                pending.append((below, item))
        elif isinstance(value, list):
            pending += [(place, item) for item in value]
        elif isinstance(value, str):
            expected = _fault_of_text(place, value)
            if expected:
                yield place, value, expected


def _surely_plain(submission: Submission) -> bool:
    """Whether every text is plain, asked at once; where one is not, its place is looked for."""
    # What a record leaves out, as older ones do, is what its fields are by default.
    raw, text = submission.raw, submission.canonical
    train = raw["spec"]["train"]
    free = canonical_json([train.get("prompt"), train.get("data")])
    # Whatever is no printable ASCII is written as an escape, but for one character.
    if not text.isascii() or text.count("\\") != free.count("\\") or "\x7f" in text:
        return False
    device = submission.record.environment.device
    lines = [raw["environment"]["platform"], *raw["ineligible_because"], device.name, device.note]
    lines += [note for item in raw["data"] for note in item.get("notes", ())]
    known = {place: texts_at(raw, place.split(".")) for place in IDENTIFIERS}
    if max(len(raw["environment"]["platform"]), len(device.name)) > LONGEST_MACHINE:
        return False
    return all(line.isprintable() and line == line.strip() for line in lines) and all(
        IDENTIFIERS[place][0].fullmatch(text) for place, texts in known.items() for text in texts
    )


def texts_at(value: Any, way: list[str]) -> Iterator[str]:
    """Yield the texts at a place of a JSON value, in every item of the lists on the way."""
    if isinstance(value, list):
        for item in value:
            yield from texts_at(item, way)
    elif isinstance(value, dict) and way and way[0] in value:
        yield from texts_at(value[way[0]], way[1:])
    elif isinstance(value, str) and not way:
        yield value


def _fault_of_text(place: str, text: str) -> str | None:
    """Say what a text should be instead, or None."""
    if place in IDENTIFIERS:
        pattern, expected = IDENTIFIERS[place]
        return None if pattern.fullmatch(text) else expected
    if FREE_TEXTS.fullmatch(place):
        return None
    if MACHINE.fullmatch(place) and len(text) > LONGEST_MACHINE:
        return f"at most {LONGEST_MACHINE} characters"
    if FREE_LINES.fullmatch(place):
        plain = text.isprintable() and text == text.strip()
        return None if plain else "one printable line"
    return None if text.isascii() and text.isprintable() else "one line of printable ASCII"


def components(submission: Submission) -> Iterator[Breach]:
    """A component of a plugin that is known here exists and has its parameters."""
    spec = submission.record.spec
    for kind, choice in (("peft", spec.peft), ("strategy", spec.strategy)):
        plugin, _, name = choice.name.rpartition("/")
        known = KNOWN.get(plugin, {}).get(kind)
        if known is None:
            continue
        if name not in known:
            yield f"spec.{kind}.name", choice.name, f"one of {plugin}'s: {', '.join(known)}"
            continue
        params = submission.raw["spec"][kind].get("params", {})
        fault = fault_of_params(params, known[name])
        if fault is not None:
            found, _, expected = fault.partition("; expected ")
            yield f"spec.{kind}.params", found, f"{expected}, of {choice.name}"


def templates(submission: Submission) -> Iterator[Breach]:
    """Prompt, templates and filters are such that a run could use them."""
    train = submission.record.spec.train
    for found, expected in (*prompt_faults(train.prompt), *data_faults(train.data)):
        yield "spec.train", found, expected


def contamination(submission: Submission) -> Iterator[Breach]:
    """No text of the recipe holds rows of the evaluation."""
    record = submission.record
    for found, expected in contamination_faults(record.challenge.id, record.spec.train):
        yield "spec.train", found, expected


RULES = (
    Rule("canonical", "A value is written in one way, and none is left out",
         "harness record format", canonical),
    Rule("identifiers", "Names are ASCII of a known form, texts single lines",
         "harness record format", identifiers),
    Rule("templates", "Prompt, templates and filters can be used", "harness.planning.settings",
         templates),
    Rule("contamination", "No text of the recipe holds evaluation rows", "harness.boards.shingles",
         contamination),
    Rule("components", "A component exists and has its parameters", "plugin standard", components),
)  # fmt: skip
