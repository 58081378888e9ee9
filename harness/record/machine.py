"""What a run ran on: device, versions, checkout."""

from __future__ import annotations

from typing import Literal

from harness.document import Document


class Device(Document):
    """The device that trained."""

    kind: Literal["cpu", "cuda"]
    name: str
    threads: int
    actors: int
    dtype: str
    """Compute type that was really used."""
    deterministic: bool
    note: str = ""


class GitState(Document):
    """The harness checkout, when it ran from one."""

    commit: str
    dirty: bool


class Environment(Document):
    """Versions and machine."""

    python: str
    platform: str
    packages: dict[str, str]
    device: Device
    git: GitState | None
