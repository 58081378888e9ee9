"""The machine at hand, found without torch: cores, memory, vector width, GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from harness.document.units import GIB, MIB


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts of a machine that a forecast and the choice of a device need."""

    cores: int
    """How many cores this process may use."""
    memory_bytes: int
    """Physical memory, or the container's limit where that is lower."""
    vector_bits: int
    """Width of the vector units: 512 with AVX-512, 256 with AVX2, else 128."""
    gpu_name: str | None
    gpu_free_bytes: int
    """Bytes of the GPU's memory that no process had taken when this was asked."""


DESCRIBED_GPU_BYTES = 16 * GIB
"""Free memory of the card that a forecast is for, where the machine has none and none is described:
the smallest that the reference recipe is sized for."""


def with_described_gpu(machine: Machine, free_bytes: int | None) -> Machine:
    """Return a machine with a card that is described and not there, for a forecast.

    Args:
        machine: which may have a card of its own, or none.
        free_bytes: the described card's free memory; None: the machine's own card, or one of
            16 GiB where it has none.
    """
    if free_bytes is None and machine.gpu_name is not None:
        return machine
    size = DESCRIBED_GPU_BYTES if free_bytes is None else free_bytes
    return replace(machine, gpu_name=f"a card of {size / GIB:g} GiB", gpu_free_bytes=size)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def this_machine() -> Machine:
    """Return the facts of this machine; a missing or failing `nvidia-smi` means no GPU.

    Nothing is kept from call to call: the GPU's free memory is that of the moment.
    """
    name, free = _gpu()
    return Machine(
        cores=cores(),
        memory_bytes=_memory_bytes(),
        vector_bits=_vector_bits(),
        gpu_name=name,
        gpu_free_bytes=free,
    )


def _memory_bytes() -> int:
    """Physical memory, or the container's limit where that is lower."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    return min(physical, int(text)) if text.isdigit() else physical


def _vector_bits() -> int:
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.is_file() else ""
    if "avx512f" in flags:
        return 512
    return 256 if "avx2" in flags else 128


def _gpu() -> tuple[str | None, int]:
    """Name and free memory of the first GPU."""
    none = (None, 0)
    if shutil.which("nvidia-smi") is None:
        return none
    query = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return none
    first = done.stdout.strip().splitlines()[:1] if done.returncode == 0 else []
    name, _, free_mib = first[0].rpartition(", ") if first else ("", "", "")
    return (name, int(free_mib) * MIB) if free_mib.isdigit() else none
