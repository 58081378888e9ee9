"""Rules on where a spec comes from: its recipe and what was set, and the code that resolved it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from packaging.version import InvalidVersion, Version

from harness.errors import HarnessError
from harness.planning.settings.overrides import parse_overrides
from harness.verify.independent.known_recipes import decided, known_recipe, values_of
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

OF_CODE = re.compile(r"[0-9a-f]{12}")
"""Label of a development version; see `harness.document.file_digests.version_of_code`."""


def recipe(submission: Submission) -> Iterator[Breach]:
    """What the command does not set is as the recipe of the plugin's digest has it."""
    spec, about = submission.record.spec, submission.about
    known = known_recipe(spec)
    if known is None or about is None or not about.command or spec.smoke:
        return
    try:
        given = parse_overrides(overrides_in(about.command)).values
    except HarnessError:
        return  # `command` says so.
    found = values_of(spec)
    for path in sorted(known.values.keys() | found.keys()):
        mine, theirs = found.get(path, "nothing"), known.values.get(path, "nothing")
        if mine != theirs and decided(path, given):
            yield f"spec.{path}", mine, f"{theirs!r}, of {spec.label}: the command does not set it"


def overrides_in(command: tuple[str, ...]) -> list[str]:
    """Return what stands behind each `--set` of a command."""
    return [value for word, value in pairwise(command) if word == "--set"]


def code(submission: Submission) -> Iterator[Breach]:
    """The harness has one version, and a development version is labelled with its code's digest."""
    environment = submission.record.environment
    harness = environment.harness
    if harness is None:
        return
    package = environment.packages.get("flowertune-harness", harness.version)
    if package != harness.version:
        yield "environment.harness.version", harness.version, f"{package}, of its package"
    named = [("environment.harness", harness.version, harness.digest)]
    named += [(f"plugins: {p.name}", p.version, p.digest) for p in submission.record.plugins]
    for place, version, digest in named:
        label = _label(version)
        if label is not None and not digest.startswith(label):
            yield place, f"version {version} of code {digest[:12]}", "the digest that it is of"


def _label(version: str) -> str | None:
    """Return the digits of a digest that a development version carries, if it does."""
    try:
        parsed = Version(version)
    except InvalidVersion:
        return None  # `versions` says so.
    # As it was written: a label of digits alone is a number to `Version`, which drops its noughts.
    label = version.partition("+")[2]
    return label if parsed.dev is not None and OF_CODE.fullmatch(label) else None


RULES = (
    Rule("recipe", "What was not set is the recipe's", "harness.verify.independent.known_recipes",
         recipe),
    Rule("code-version", "Versions and digests are of one code", "harness.document.file_digests",
         code),
)  # fmt: skip
