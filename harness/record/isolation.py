"""What kept plugin code from the machine while a run was made: part of its record."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from harness.document import Document

Policy = Literal["auto", "required", "off"]
"""Take what the machine offers and say what is missing; refuse a machine that offers less than
everything; or hold nothing back."""

_POLICIES: tuple[Policy, ...] = ("off", "auto", "required")


class Held(Document):
    """What held one kind of process, by the mechanism that did; `open` means nothing."""

    files: Literal["Landlock", "open"]
    """Nothing can be read but the system's programs, the Python environment and what the run is
    given (model and training data, not the evaluation sets), and nothing written but a folder for
    temporary files, shared memory and the run's own checkpoints, adapters and logs."""
    network: Literal["own network namespace", "open"]
    """Its own has one address, 127.0.0.1, on which nothing of the machine listens."""
    processes: Literal["own process namespace", "subreaper", "watched"]
    """What finds and ends everything that it has started. Who watches sees what is there twice a
    second, and misses a process that has left its parent before."""
    signals: Literal["own process namespace", "Landlock scope", "open"]
    """Signals to processes that are not its own."""
    landlock: int = Field(ge=0)
    """Version of the kernel's Landlock; 0 where it has none, or where none was asked for."""
    missing: tuple[str, ...] = ()
    """What the machine could not offer, and why."""

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.processes != "watched" and "open" not in (
            self.files, self.network, self.signals,
        )  # fmt: skip

    def weaker(self, other: Held) -> Held:
        """Return what both of two had."""

        def lesser(name: str, worst: str) -> str:
            mine, theirs = str(getattr(self, name)), str(getattr(other, name))
            return worst if worst in (mine, theirs) else max(mine, theirs)

        return Held.model_validate(
            {
                "files": lesser("files", "open"),
                "network": lesser("network", "open"),
                "processes": lesser("processes", "watched"),
                "signals": lesser("signals", "open"),
                "landlock": min(self.landlock, other.landlock),
                "missing": tuple(dict.fromkeys([*self.missing, *other.missing])),
            }
        )


class Isolation(Document):
    """What held the processes that load plugin code. The one that writes the record loads none."""

    policy: Policy
    """What was asked for."""
    federation: Held
    """Server with its strategy, clients, and what Ray or a SuperLink starts for them."""

    @property
    def summary(self) -> str:
        """Return it in a few words, for a table."""
        held = [
            name
            for name, value in (
                ("files", self.federation.files),
                ("network", self.federation.network),
                ("signals", self.federation.signals),
            )
            if value != "open"
        ]
        return f"isolated: {', '.join(held)}" if held else "not isolated"

    def with_session(self, other: Self) -> Self:
        """Return what held in this session of a run and in another one of it."""
        return self.with_values(
            policy=min(self.policy, other.policy, key=_POLICIES.index),
            federation=self.federation.weaker(other.federation),
        )
