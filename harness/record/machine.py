"""What a run ran on: device, versions, checkout, and the energy that it drew."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.document import Document
from harness.document.float_sums import sum_in_order

JOULES_PER_KWH = 3.6e6


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


class Drawn(Document):
    """What one counter counted, the sessions of a run added up."""

    what: str = Field(max_length=200)
    """The part of the machine: `package-0`, `dram of package-0`, `GPU 0 NVIDIA H100 ...`."""
    method: Literal["rapl", "nvml-energy", "nvml-power"]
    """RAPL's or the card's own count, or the card's power added up from samples."""
    joules: float = Field(ge=0)
    seconds: float = Field(ge=0)
    """In which it counted."""
    estimated: bool
    """Whether it is an estimate: added up from samples, or read too rarely to be sure."""


class Factor(Document):
    """Grams of CO2 equivalent a kilowatt-hour, and whose figure that is."""

    grams_per_kwh: float = Field(ge=0)
    country: str = Field(max_length=3)
    """ISO 3166, three letters."""
    source: str = Field(max_length=200)
    """Package, version, table and year."""


class EnergyCount(Document):
    """`energy.json` of a run directory: what its sessions have counted so far."""

    parts: tuple[Drawn, ...] = Field((), fail_fast=True)
    measured_s: float = Field(0.0, ge=0)
    """Seconds of the stages in which a counter counted."""
    notes: tuple[str, ...] = Field((), fail_fast=True)
    """What was not counted and why, and what is an estimate and why; each once."""
    factor: Factor | None = None


class Energy(EnergyCount):
    """The energy of a run: all that the machine drew while its stages ran, other work included."""

    joules: float | None = Field(None, ge=0)
    """Sum of the parts; None: not measured."""
    estimated: bool = False
    """Whether a part of it is an estimate."""
    co2_grams: float | None = Field(None, ge=0)
    """By the factor alone; None without one, or where nothing was measured."""

    @property
    def summary(self) -> str:
        """The figure in words for people, with its methods."""
        if self.joules is None:
            return f"not measured ({'; '.join(self.notes) or 'nothing was counted'})"
        how = ", ".join(sorted({item.method for item in self.parts}))
        kind = "estimated" if self.estimated else "measured"
        text = f"{self.joules:,.0f} J ({self.joules / JOULES_PER_KWH:.6f} kWh) {kind} by {how}"
        if self.co2_grams is not None and self.factor is not None:
            text += (
                f"; {self.co2_grams:.2f} g CO2eq at {self.factor.grams_per_kwh:g} g/kWh"
                f" ({self.factor.country}, {self.factor.source})"
            )
        return text


def energy_of(count: EnergyCount) -> Energy:
    """Return a run's energy from what its sessions counted."""
    joules = sum_in_order([item.joules for item in count.parts]) if count.parts else None
    factor = count.factor
    grams = None
    if joules is not None and factor is not None:
        grams = joules / JOULES_PER_KWH * factor.grams_per_kwh
    return Energy(
        **{name: getattr(count, name) for name in EnergyCount.model_fields},
        joules=joules,
        estimated=any(item.estimated for item in count.parts),
        co2_grams=grams,
    )
