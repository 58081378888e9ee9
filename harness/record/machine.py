"""What a run ran on: device, versions, checkout."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

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


class HarnessCode(Document):
    """The harness that ran, wherever it was installed from."""

    version: str
    digest: str
    """sha256 over its files; see `harness.machine.versions.harness_code`."""


class Environment(Document):
    """Versions and machine."""

    python: str
    platform: str
    packages: dict[str, str] = Field(max_length=1_000)
    device: Device
    git: GitState | None
    harness: HarnessCode | None = None
    """None in records of version 1, which know the version alone."""
    foreign_modules: tuple[str, ...] = Field((), fail_fast=True)
    """What the process that wrote the record had imported from outside of its Python environment,
    sorted; a command refuses to start with any. See `harness.processes.import_paths`."""
    startup_sha256: str | None = None
    """Digest of what Python runs by itself: interpreter, `pyvenv.cfg`, `.pth` files, sitecustomize
    and usercustomize, as command and evaluating process both found them. None in records of before
    it was measured. See `harness.processes.startup`."""
