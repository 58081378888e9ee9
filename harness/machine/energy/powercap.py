"""RAPL through the kernel's powercap tree: processor packages and their memory, in microjoules.

Source: Linux, Documentation/power/powercap/powercap.rst. Since CVE-2020-8694 `energy_uj` is
readable by root alone on most systems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.machine.energy.counter import Counter, CounterError, Method

TREE = Path("/sys/class/powercap")
PACKAGE = re.compile(r"intel-rapl:\d+")
"""A package's zone, of Intel and of AMD; `intel-rapl-mmio:0` counts the same package again."""
MOST_WATTS = 1000
"""More than a processor package draws: what tells how soon its count can come round."""


class Zone:
    """One zone of the tree."""

    method: Method = "rapl"

    def __init__(self, folder: Path, what: str) -> None:
        """Read the zone for the first time.

        Raises:
            CounterError: it cannot be read.
        """
        self.what = what
        self._folder = folder
        self._range_uj = _number(folder / "max_energy_range_uj")
        self._last_uj = _number(folder / "energy_uj")

    @property
    def certain_for_s(self) -> float:
        """Seconds in which the count cannot come round twice."""
        return self._range_uj / 1e6 / MOST_WATTS

    def joules(self) -> float:
        """Return the joules since the last time; a count that came round goes on from zero.

        With a range of 262,143 J a count that was 262,000 J and is 100 J has counted 243 J.

        Raises:
            CounterError: it cannot be read any more.
        """
        now = _number(self._folder / "energy_uj")
        counted = now - self._last_uj
        if counted < 0:
            counted += self._range_uj
        self._last_uj = now
        return counted / 1e6


def zones(tree: Path = TREE) -> Iterator[Counter | CounterError]:
    """Yield the counters of the packages and of memory that no package counts, or why not.

    `psys` counts the whole platform, the packages in it, and is left out: not every machine has it.

    Args:
        tree: of the kernel.
    """
    folders = sorted(tree.iterdir()) if tree.is_dir() else []
    packages = [item for item in folders if PACKAGE.fullmatch(item.name)]
    if not packages:
        yield CounterError("no RAPL counter (no intel-rapl zone in the kernel's powercap tree)")
    for package in packages:
        name = _name(package)
        if name == "psys":
            continue
        yield _opened(package, name)
        # Of a package's parts, cores and graphics are in its own count and memory is not.
        for part in sorted(package.glob(f"{package.name}:*")):
            if _name(part) == "dram":
                yield _opened(part, f"dram of {name}")


def _opened(folder: Path, what: str) -> Counter | CounterError:
    try:
        return Zone(folder, what)
    except CounterError as error:
        return CounterError(f"{what}: {error}")


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except OSError:
        return folder.name


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except PermissionError:
        raise CounterError(f"{path} may be read by root alone") from None
    except (OSError, ValueError) as error:
        raise CounterError(f"{path} cannot be read ({type(error).__name__})") from None
