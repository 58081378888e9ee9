"""How fast this machine's cores multiply, for forecasts: neither a name nor a vector width says it.

Cores of one width differ by a factor of two, and what a cloud calls two cores may be one. So all
cores multiply at the same time, in a process of its own (`multiplying`). That takes a tenth of a
second; the figure is kept for a day.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pydantic import Field

from harness.document import Document, read_document, write_document
from harness.errors import HarnessError
from harness.kernel.bare import bare_python
from harness.machine.cache_folder import cache_folder

KEPT = "core-speed.json"
KEPT_S = 86_400.0
LIMIT_S = 5.0
"""Seconds after which a measurement that has not ended is given up."""
DIGITS = 2
"""Of the figure, that are told: the third is another one every time."""

ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")
}
"""Each of our threads is to multiply by itself, whatever numpy was built with."""


class Measured(Document):
    """A measurement, as the cache folder keeps it."""

    machine: str
    cores: int
    at_s: float
    """Seconds since 1970."""
    flops: float = Field(gt=0, allow_inf_nan=False)


class CoreSpeed:
    """The rate of a machine's cores, measured when it is asked for."""

    def __init__(self, cores: int) -> None:
        """Name what is asked for.

        Args:
            cores: how many multiply at the same time.
        """
        self._cores = cores

    @cached_property
    def flops(self) -> float | None:
        """Operations a second of one core in float32, the mean of all; None: not measured."""
        path = cache_folder() / KEPT
        with suppress(HarnessError, OSError):
            kept = read_document(Measured, path)
            same = (kept.machine, kept.cores) == (_machine(), self._cores)
            if same and 0 <= time.time() - kept.at_s < KEPT_S:
                return kept.flops
        flops = self._measured()
        if flops is not None:
            found = Measured(machine=_machine(), cores=self._cores, at_s=time.time(), flops=flops)
            with suppress(HarnessError, OSError):
                write_document(path, found)
        return flops

    def _measured(self) -> float | None:
        numpy = importlib.util.find_spec("numpy")
        if numpy is None or numpy.origin is None:
            return None
        folder = Path(numpy.origin).parent.parent
        command = [*bare_python("harness.machine.multiplying"), str(folder), str(self._cores)]
        env = {**os.environ, **ONE_THREAD}
        with suppress(OSError, ValueError, subprocess.SubprocessError):
            done = subprocess.run(
                command, capture_output=True, env=env, timeout=LIMIT_S, check=True
            )
            return float(f"{float(done.stdout):.{DIGITS}g}")
        return None


def _machine() -> str:
    """Return what another machine, or this one after its next start, is not."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text().strip() if boot.is_file() else platform.node()
