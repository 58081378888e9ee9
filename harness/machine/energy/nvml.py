"""NVIDIA cards: their own count of energy, or their power added up where they have none.

Source: NVML API reference, nvmlDeviceGetTotalEnergyConsumption (millijoules since the driver was
loaded, Volta and later) and nvmlDeviceGetPowerUsage (milliwatts).
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from harness.errors import how_to_install
from harness.machine.energy.counter import Counter, CounterError, Method

MISSING = f"NVML is not installed ({how_to_install('energy')})"


class CountedCard:
    """A card that counts its own energy; its count starts again only with its driver."""

    method: Method = "nvml-energy"
    certain_for_s = float("inf")

    def __init__(self, nvml: Any, handle: Any, what: str) -> None:
        """Read the card for the first time; raises NVML's error where it has no count."""
        self.what = what
        self._nvml, self._handle = nvml, handle
        self._last_mj = int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))

    def joules(self) -> float:
        """Return the joules since the last time.

        Raises:
            CounterError: the card cannot be asked any more, or its driver was loaded anew.
        """
        now = _asked(self._nvml, self._nvml.nvmlDeviceGetTotalEnergyConsumption, self._handle)
        counted = now - self._last_mj
        self._last_mj = now
        if counted < 0:
            raise CounterError("its count began again: the driver was loaded anew")
        return counted / 1e3


class SampledCard:
    """A card without a count: its power is added up from sample to sample, an estimate."""

    method: Method = "nvml-power"
    certain_for_s = float("inf")
    clock: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, nvml: Any, handle: Any, what: str) -> None:
        """Ask the card for the first time; raises NVML's error where it has no power either."""
        self.what = what
        self._nvml, self._handle = nvml, handle
        self._last_mw = int(nvml.nvmlDeviceGetPowerUsage(handle))
        self._last_s = self.clock()

    def joules(self) -> float:
        """Return the mean of the last two samples times the seconds between them.

        Raises:
            CounterError: the card cannot be asked any more.
        """
        now = _asked(self._nvml, self._nvml.nvmlDeviceGetPowerUsage, self._handle)
        moment = self.clock()
        counted = (now + self._last_mw) / 2e3 * (moment - self._last_s)
        self._last_mw, self._last_s = now, moment
        return counted


def cards(nvml: Any = None) -> Iterator[Counter | CounterError]:
    """Yield a counter for each card that this process may use, or why there is none.

    Args:
        nvml: the module `pynvml`, or what stands for it; None: the installed one.
    """
    try:
        found = importlib.import_module("pynvml") if nvml is None else nvml
    except ImportError:
        yield CounterError(MISSING)
        return
    try:
        found.nvmlInit()
        handles = list(_visible(found))
    except found.NVMLError as error:
        yield CounterError(f"NVML: {error}")
        return
    if not handles:
        yield CounterError("NVML: no card that this process may use")
    for what, handle in handles:
        yield _card(found, handle, what)


def _card(nvml: Any, handle: Any, what: str) -> Counter | CounterError:
    try:
        return CountedCard(nvml, handle, what)
    except nvml.NVMLError:
        try:
            return SampledCard(nvml, handle, what)
        except nvml.NVMLError as error:
            return CounterError(f"{what}: {error}")


def _visible(nvml: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and handle of each card that `CUDA_VISIBLE_DEVICES` leaves."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = None if chosen is None else [item.strip() for item in chosen.split(",")]
    for number in range(int(nvml.nvmlDeviceGetCount())):
        handle = nvml.nvmlDeviceGetHandleByIndex(number)
        identity = _text(nvml.nvmlDeviceGetUUID(handle))
        if names is not None and not any(
            name == str(number) or (name.startswith("GPU-") and identity.startswith(name))
            for name in names
        ):
            continue
        yield f"GPU {number} {_text(nvml.nvmlDeviceGetName(handle))}", handle


def _asked(nvml: Any, question: Callable[[Any], Any], handle: Any) -> int:
    try:
        return int(question(handle))
    except nvml.NVMLError as error:
        raise CounterError(f"NVML: {error}") from None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
