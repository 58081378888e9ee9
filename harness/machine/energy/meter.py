"""Reading the counters while a stage runs, so often that no count comes round twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.machine.energy.counter import Counter, CounterError
from harness.machine.energy.nvml import cards
from harness.machine.energy.powercap import TREE, zones
from harness.record.machine import Drawn

SAMPLE_S = 5.0
"""Seconds between two readings: the smallest RAPL range, 65 kJ, lasts 65 s at 1 kW."""


def counters(device: str, tree: Path = TREE, nvml: Any = None) -> list[Counter | CounterError]:
    """Return the counters of the parts that a run on `device` uses, and why others are missing.

    Args:
        device: `cpu` or `cuda`.
        tree: the kernel's powercap tree.
        nvml: see `harness.machine.energy.nvml.cards`.
    """
    return [*zones(tree), *(cards(nvml) if device == "cuda" else ())]


@dataclass
class _Count:
    counter: Counter
    joules: float = 0.0
    unsure: bool = False
    failed: bool = False


class EnergyMeter:
    """A context in which energy is counted; `drawn` and `notes` say what came of it."""

    def __init__(
        self,
        found: Iterable[Counter | CounterError],
        sample_s: float = SAMPLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the counters; they count from the moment when the context is entered.

        Args:
            found: counters, and why others are missing.
            sample_s: seconds between two readings.
            clock: tells seconds.
        """
        opened = list(found)
        self._counts = [_Count(item) for item in opened if not isinstance(item, CounterError)]
        self.notes: list[str] = [str(item) for item in opened if isinstance(item, CounterError)]
        """Why something is not measured, or is an estimate."""
        self._sample_s, self._clock = sample_s, clock
        self._begin = self._last = clock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="energy", daemon=True)

    @property
    def drawn(self) -> list[Drawn]:
        """What each counter counted; one that failed on the way is left out, with a note."""
        return [
            Drawn(
                what=item.counter.what,
                method=item.counter.method,
                joules=round(item.joules, 3),
                seconds=round(self._last - self._begin, 3),
                estimated=item.counter.method == "nvml-power" or item.unsure,
            )
            for item in self._counts
            if not item.failed
        ]

    def __enter__(self) -> EnergyMeter:
        """Begin to count."""
        self.read()
        for item in self._counts:
            item.joules = 0.0  # what came between opening the counters and now
        self._begin = self._last
        if self._counts:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Count for the last time."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        self.read()

    def _run(self) -> None:
        while not self._end.wait(self._sample_s):
            self.read()

    def read(self) -> None:
        """Read every counter once."""
        now = self._clock()
        passed, self._last = now - self._last, now
        for item in self._counts:
            if item.failed:
                continue
            try:
                item.joules += item.counter.joules()
            except CounterError as error:
                item.failed = True
                self.notes.append(f"{item.counter.what}: {error}")
                continue
            if passed > item.counter.certain_for_s:
                item.unsure = True
                self.notes.append(
                    f"{item.counter.what}: not read for {item.counter.certain_for_s:.0f} s or more,"
                    " in which its count may have come round more than once"
                )
