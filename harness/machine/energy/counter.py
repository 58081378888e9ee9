"""A counter of energy: what it counts, how, and how much since it was last asked."""

from __future__ import annotations

from typing import Literal, Protocol

Method = Literal["rapl", "nvml-energy", "nvml-power"]


class CounterError(Exception):
    """A counter cannot be read; its message says why, in a phrase."""


class Counter(Protocol):
    """One source of joules."""

    @property
    def what(self) -> str:
        """The part of the machine that it counts: `package-0`, `dram of package-0`, `GPU 0 ...`."""

    @property
    def method(self) -> Method:
        """How it counts; `nvml-power` adds up samples of power, which is an estimate."""

    @property
    def certain_for_s(self) -> float:
        """Seconds after which a count may have started again from zero more than once."""

    def joules(self) -> float:
        """Return the joules since this was asked last, or since the counter was opened.

        Raises:
            CounterError: it cannot be read any more.
        """
