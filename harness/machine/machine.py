"""The machine at hand, found without torch: cores, memory, vector width, GPUs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.document.units import GIB, MIB
from harness.kernel.allowance import cores, memory_limit_bytes
from harness.machine.core_speed import CoreSpeed

CORE_FLOPS = {512: 150e9, 256: 90e9, 128: 30e9}
"""Operations a second of one core in float32 by vector width, where nothing was measured. Source:
95e9 (AMD EPYC) to 180e9 (Intel Xeon) were measured with 512 bits; the others follow the width."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts of a machine that a forecast and the choice of a device need."""

    cores: int
    """How many cores this process may use."""
    memory_bytes: int
    """Physical memory, or the limit of the container or job where that is lower."""
    vector_bits: int
    """Width of the vector units: 512 with AVX-512, 256 with AVX2, else 128."""
    gpu_name: str | None
    gpu_free_bytes: int
    """Bytes of the first GPU's memory that no process had taken when this was asked."""
    gpus_free_bytes: tuple[int, ...] = ()
    """The same of every GPU that this process may use, where there are several."""
    speed: CoreSpeed | None = field(default=None, compare=False)
    """Measures its cores, where they may be measured."""

    @property
    def measured_core_flops(self) -> float | None:
        """Operations a second of one core in float32; None: not measured."""
        return None if self.speed is None else self.speed.flops

    @property
    def core_flops(self) -> float:
        """Operations a second of one core in float32, measured or by the width of its vectors."""
        return self.measured_core_flops or CORE_FLOPS[self.vector_bits]

    @property
    def cards(self) -> tuple[int, ...]:
        """Free bytes of every GPU that this process may use."""
        if self.gpu_name is None:
            return ()
        return self.gpus_free_bytes or (self.gpu_free_bytes,)


DESCRIBED_GPU_BYTES = 16 * GIB
"""Free memory of the card that a forecast is for, where the machine has none and none is described:
the smallest that the reference recipe is sized for."""

CORES_PER_CARD = 8
"""Cores that a machine with a described number of cards has at least: clouds sell no fewer."""


def with_described_gpu(machine: Machine, free_bytes: int | None, count: int | None) -> Machine:
    """Return a machine with cards that are described and not there, for a forecast.

    Args:
        machine: which may have cards of its own, or none.
        free_bytes: a described card's free memory; None: the machine's own cards, or one of 16 GiB
            where it has none.
        count: how many such cards; None: one, or the machine's own.
    """
    if free_bytes is None and count is None and machine.gpu_name is not None:
        return machine
    size = free_bytes or machine.gpu_free_bytes or DESCRIBED_GPU_BYTES
    cards = count or 1
    name = f"a card of {size / GIB:g} GiB" if cards == 1 else f"{cards} cards of {size / GIB:g} GiB"
    return replace(
        machine,
        gpu_name=name,
        gpu_free_bytes=size,
        gpus_free_bytes=(size,) * cards,
        cores=machine.cores if count is None else max(machine.cores, CORES_PER_CARD * count),
    )


def this_machine() -> Machine:
    """Return the facts of this machine; a missing or failing `nvidia-smi` means no GPU.

    Nothing is kept from call to call: the GPU's free memory is that of the moment.
    """
    name, free = _gpus()
    return Machine(
        cores=cores(),
        memory_bytes=_memory_bytes(),
        vector_bits=_vector_bits(),
        gpu_name=name,
        gpu_free_bytes=free[0] if free else 0,
        gpus_free_bytes=free,
    )


def measured_machine() -> Machine:
    """Return the facts of this machine, whose cores are measured if a forecast asks for it."""
    found = this_machine()
    return replace(found, speed=CoreSpeed(found.cores))


def processor_name() -> str:
    """Return the name that the processor gives itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _memory_bytes() -> int:
    """Physical memory, or the limit of the container or job where that is lower."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = memory_limit_bytes()
    return physical if limit is None else min(physical, limit)


def _vector_bits() -> int:
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.is_file() else ""
    if "avx512f" in flags:
        return 512
    return 256 if "avx2" in flags else 128


def _gpus() -> tuple[str | None, tuple[int, ...]]:
    """Name of the first GPU that this process may use, and free memory of each of them."""
    none = (None, tuple[int, ...]())
    if shutil.which("nvidia-smi") is None:
        return none
    query = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return none
    lines = done.stdout.strip().splitlines() if done.returncode == 0 else []
    listed = [line.rpartition(", ") for line in lines]
    found = [(name, int(free) * MIB) for name, _, free in _visible(listed) if free.isdigit()]
    return (found[0][0], tuple(free for _, free in found)) if found else none


def _visible(cards: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return the cards that CUDA_VISIBLE_DEVICES names by number, in its order; all without it.

    As CUDA reads it: the first number that is none of a card ends the list. Names of another form
    (a UUID) are as many cards, the first ones.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return cards
    words = [word.strip() for word in named.split(",") if word.strip()]
    found = []
    for word, other in zip(words, cards, strict=False):
        if not word.lstrip("-").isdigit():
            found.append(other)
        elif 0 <= int(word) < len(cards):
            found.append(cards[int(word)])
        else:
            break
    return found
