"""Rules on the machine and the software: versions, device, commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from harness.verify.rule import Breach, Rule
from harness.verify.rules.run.digests import HEX
from harness.verify.submission import Submission

NEEDED_PACKAGES = (
    "flowertune-harness", "flwr", "flwr-datasets", "torch", "transformers", "tokenizers", "peft",
    "bitsandbytes", "lm-eval", "datasets", "numpy", "safetensors",
)  # fmt: skip
"""Versions of these decide numbers."""

PACKAGE = re.compile(r"[a-z0-9]([a-z0-9._-]{0,60}[a-z0-9])?")
"""Source: PyPA, names and normalization."""
OLDEST_PYTHON = Version("3.11")
"""Source: `requires-python` of the harness."""
MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
"""Names that are shown; a stranger's may be longer."""
GIT_COMMIT = re.compile(r"(?!0+$)([0-9a-f]{40}|[0-9a-f]{64})")
"""Source: git's null id, all noughts, is what it calls no object by."""
DTYPES = ("float32", "bfloat16", "float16")
CPU_DOUBTS = ("deterministic algorithms", "threads instead")
"""What is said of a CPU that may not repeat itself. Source: `harness.training.determinism.doubts`.
"""
MAX_ACTORS = 1_024
MAX_ATTEMPTS = 1_000
"""Far beyond any `--retries` in earnest."""


def versions(submission: Submission) -> Iterator[Breach]:
    """The versions that decide numbers are there, and are versions."""
    environment = submission.record.environment
    missing = [name for name in NEEDED_PACKAGES if name not in environment.packages]
    if missing:
        found = f"no {', '.join(missing)}"
        yield "environment.packages", found, "every package that decides numbers"
    for name in environment.packages:
        if not PACKAGE.fullmatch(name):
            yield "environment.packages", name, "a name of a-z, 0-9, dot, underscore and hyphen"
    named = {**environment.packages, "python": environment.python}
    named |= {f"plugin {item.name}": item.version for item in submission.record.plugins}
    for name, text in named.items():
        version = version_of(text)
        if version is None:
            yield f"environment: {name}", text, "a version, such as 1.41.0"
            continue
        if name == "python" and version < OLDEST_PYTHON:
            yield "environment.python", text, f"{OLDEST_PYTHON} or newer: what the harness runs on"


@lru_cache(maxsize=1_024)
def version_of(text: str) -> Version | None:
    """Return a version, or None of a text that is none."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def device(submission: Submission) -> Iterator[Breach]:
    """The device is the one that the spec asks for, and says what it is."""
    found, spec = submission.record.environment.device, submission.record.spec
    if found.kind != spec.compute.device:
        yield "environment.device.kind", found.kind, spec.compute.device
    if found.threads != spec.compute.threads:
        yield "environment.device.threads", found.threads, spec.compute.threads
    if not 1 <= found.actors <= MAX_ACTORS:
        yield "environment.device.actors", found.actors, f"1..{MAX_ACTORS}"
    plain = found.kind == "cpu" or spec.model.dtype == "float32"
    if found.dtype not in (("float32",) if plain else DTYPES):
        yield "environment.device.dtype", found.dtype, "float32" if plain else ", ".join(DTYPES)
    why = found.note if found.kind != "cpu" or any(map(found.note.count, CPU_DOUBTS)) else ""
    if not found.deterministic and not why:
        said = found.note or "nothing"
        yield "environment.device.note", said, "why the device is not deterministic"
    if not found.name.strip():
        yield "environment.device.name", found.name, "the device's name"


def commit(submission: Submission) -> Iterator[Breach]:
    """The commit, where the harness ran from a checkout, is one."""
    git = submission.record.environment.git
    if git is not None and not GIT_COMMIT.fullmatch(git.commit):
        yield "environment.git.commit", git.commit, "40 lower-case hex digits, not all 0"


def installed_code(submission: Submission) -> Iterator[Breach]:
    """Only installed code ran, and what Python runs by itself has a digest."""
    environment = submission.record.environment
    for name in environment.foreign_modules:
        found = name if MODULE.fullmatch(name) else "a name that no module has"
        yield "environment.foreign_modules", found, "none: no digest of the record covers its code"
    startup = environment.startup_sha256
    if startup is not None and not HEX.fullmatch(startup):
        yield "environment.startup_sha256", startup, "64 lower-case hex digits"


def attempts(submission: Submission) -> Iterator[Breach]:
    """A client was asked a number of times that can be."""
    for item in submission.record.federation.rounds:
        for client in item.clients:
            if client.attempts > MAX_ATTEMPTS:
                place = f"round {item.round}, partition {client.partition}: attempts"
                yield place, client.attempts, f"at most {MAX_ATTEMPTS}"


RULES = (
    Rule("versions", "Versions that decide numbers are recorded", "harness record format",
         versions),
    Rule("device", "The device is the spec's", "harness record format", device),
    Rule("commit", "The commit is one", "git", commit),
    Rule("installed-code", "Nothing ran but installed code", "harness record format",
         installed_code),
    Rule("attempts", "A client is asked finitely often", "harness record format", attempts),
)  # fmt: skip
