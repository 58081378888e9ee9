"""Rules on digests: of the challenge, the spec and the chain of rounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harness.document import canonical_json, digest_of, sha256_text
from harness.recipe import FILE_PLUGIN
from harness.record.federation import GENESIS
from harness.verify.official import reference_of
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

HEX = re.compile(r"[0-9a-f]{64}")
DIGEST_KEYS = ("digest", "sha256")


def well_formed(submission: Submission) -> Iterator[Breach]:
    """Every digest is 64 lower-case hex digits."""
    if _all_well_formed(submission.raw):
        return
    pending: list[tuple[str, Any]] = [("", submission.raw)]
    while pending:
        place, value = pending.pop()
        items: Any = ()
        if isinstance(value, dict):
            items = ((f"{place}.{key}".lstrip("."), item) for key, item in value.items())
        elif isinstance(value, list):
            items = ((f"{place}[{index}]", item) for index, item in enumerate(value))
        elif isinstance(value, str):
            key = place.rsplit(".", 1)[-1]
            if key.endswith(DIGEST_KEYS) and not HEX.fullmatch(value):
                yield place, value, "64 lower-case hex digits"
        pending.extend(items)


def _all_well_formed(raw: Any) -> bool:
    """Whether no digest is malformed; where one is, its place is looked for again."""
    pending = [raw]
    while pending:
        value = pending.pop()
        if type(value) is dict:
            for key, item in value.items():
                if type(item) is not str:
                    pending.append(item)
                elif key.endswith(DIGEST_KEYS) and not HEX.fullmatch(item):
                    return False
        elif type(value) is list:
            pending += value
    return True


def challenge(submission: Submission) -> Iterator[Breach]:
    """The record followed the challenge that everyone has."""
    expected = reference_of(submission.challenge)
    if submission.record.challenge != expected:
        found = submission.record.challenge
        yield (
            "challenge",
            f"revision {found.revision}, digest {found.digest[:12]}",
            f"revision {expected.revision}, digest {expected.digest[:12]}",
        )


def spec_digest(submission: Submission) -> Iterator[Breach]:
    """The spec is the one whose digest the record carries."""
    found = submission.record.spec_digest
    if found == digest_of_value(submission.raw["spec"]):
        return
    expected = digest_of(submission.record.spec)
    if found != expected:
        yield "spec_digest", found, expected


def digest_of_value(value: Any) -> str:
    """Return the digest of a document as it stands in a file.

    A record of an older schema lacks fields that were added since; its digests were taken without.
    """
    return sha256_text(canonical_json(value))


def round_digest(value: dict[str, Any]) -> str:
    """Return the chain digest of a round as it stands in a file; see `RoundRecord.chain_digest`."""
    body = {key: item for key, item in value.items() if key not in ("duration_s", "digest")}
    body["clients"] = [
        {key: item for key, item in client.items() if key != "attempts"}
        for client in value["clients"]
    ]
    return digest_of_value(body)


def spec_agrees(submission: Submission) -> Iterator[Breach]:
    """The record repeats of its spec what the spec says."""
    record = submission.record
    if record.challenge != record.spec.challenge:
        yield "spec.challenge", record.spec.challenge.digest, record.challenge.digest
    if record.plugins != record.spec.plugins:
        names = [item.name for item in record.plugins]
        yield "plugins", names, "exactly spec.plugins"
    names = [item.name for item in record.spec.plugins]
    if len(set(names)) < len(names):
        yield "spec.plugins", names, "each once"
    elif names != sorted(names):
        # Another order would be another digest of one spec.
        yield "spec.plugins", names, "in the order of their names"
    proposed = record.spec.plugin
    for place, name in (
        *([] if proposed == FILE_PLUGIN else [("plugin", proposed)]),
        ("peft.name", record.spec.peft.name.partition("/")[0]),
        ("strategy.name", record.spec.strategy.name.partition("/")[0]),
        *(
            (f"extensions.{kind}.name", choice.name.partition("/")[0])
            for kind, choice in record.spec.extensions.components.items()
        ),
    ):
        if name not in names:
            yield f"spec.{place}", name, f"of one of spec.plugins: {', '.join(names)}"


def chain_digest(submission: Submission) -> Iterator[Breach]:
    """Each round's digest follows from its content."""
    raw = submission.raw["federation"]["rounds"]
    for index, item in enumerate(submission.record.federation.rounds):
        if item.digest == round_digest(raw[index]):
            continue
        expected = item.chain_digest()
        if item.digest != expected:
            yield f"federation.rounds[{index}].digest", item.digest, expected


def chain_link(submission: Submission) -> Iterator[Breach]:
    """Each round names the digest of the round before it; the first names none."""
    previous = GENESIS
    for index, item in enumerate(submission.record.federation.rounds):
        if item.previous_digest != previous:
            place = f"federation.rounds[{index}].previous_digest"
            yield place, item.previous_digest, previous
        previous = item.digest


RULES = (
    Rule("digest-form", "Digests are sha256 in hex", "harness record format", well_formed),
    Rule("challenge-digest", "The challenge is the official revision",
         "challenge file of the harness", challenge),
    Rule("spec-digest", "The spec has the digest the record carries", "harness record format",
         spec_digest),
    Rule("spec-agrees", "Challenge and plugins are the spec's", "harness record format",
         spec_agrees),
    Rule("chain-digest", "Each round's digest follows from its content", "harness record format",
         chain_digest),
    Rule("chain-link", "Each round follows the round before it", "harness record format",
         chain_link),
)  # fmt: skip
