"""What execution says: a verdict for each program, and what held while they ran."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from harness.document import Document

Outcome = Literal["passed", "failed", "timed out"]


class Attempt(Document):
    """One run of one program."""

    outcome: Outcome
    reason: str = Field(default="", max_length=200)
    """Why it failed, in words that are the same in every run; empty otherwise."""
    wall_s: float = Field(ge=0)
    """Seconds on the wall, of all steps (compiling, running) together."""
    waited_s: float = Field(ge=0)
    """Seconds in which it stood ready and no processor was free; not counted against the limits."""
    limit_share: float = Field(ge=0)
    """How much of its time limit the longest step used, 1 being all, waiting left out."""
    cpu_s: float = Field(ge=0)
    """Seconds of processor time, of all steps and all processes together."""


class Verdict(Document):
    """What one program's tests say about it; the last attempt counts.

    There is a second attempt only after a timeout: the limits are of wall time, which a loaded
    machine breaks, so such a program is run again with no other beside it.
    """

    attempts: tuple[Attempt, ...] = Field(min_length=1, max_length=2)

    @model_validator(mode="after")
    def _second_after_timeout(self) -> Verdict:
        if len(self.attempts) == 2 and self.attempts[0].outcome != "timed out":
            raise ValueError("a second attempt follows only on a timeout")
        return self

    @property
    def outcome(self) -> Outcome:
        """Return the outcome that counts."""
        return self.attempts[-1].outcome

    @property
    def passed(self) -> bool:
        """Return whether all tests passed in time."""
        return self.outcome == "passed"

    @property
    def depends_on_speed(self) -> bool:
        """Return whether a machine of half or twice this one's speed could say otherwise.

        Of a program that ran out of time nothing says how long it would have run.
        """
        return self.outcome == "timed out" or (self.passed and self.attempts[-1].limit_share > 0.5)

    def __str__(self) -> str:
        last = self.attempts[-1]
        return f"failed: {last.reason}" if last.outcome == "failed" else last.outcome


class Isolation(Document):
    """What kept the programs from the machine, by the mechanism that did; `open` means nothing."""

    network: Literal["own network namespace", "no sockets", "open"]
    files: Literal["own view", "Landlock", "open"]
    """Reading and writing outside of the program's folder and its language's own files."""
    processes: Literal["own process namespace", "subreaper", "process group"]
    """What finds everything that a program has started, to end it. A process group does not find
    what has left it."""
    signals: Literal["own process namespace", "no signals", "own user id", "open"]
    """Signals to processes that are not the program's."""
    user: Literal["own user id", "user namespace", "the caller's"]
    """Who the program runs as; never root, and never with a way to new privileges."""
    memory: Literal["watched", "address space only"]
    """Resident memory of all processes watched, or only each one's address space bounded."""
    folder: Literal["bounded", "each file bounded"]
    missing: tuple[str, ...] = ()
    """What this machine could not offer, and why."""

    @property
    def complete(self) -> bool:
        """Return whether a program can neither reach the machine nor leave anything behind."""
        return (
            "open" not in (self.network, self.files, self.signals)
            and self.processes != "process group"
        )


class Execution(Document):
    """The verdicts of all programs of one language, in their order."""

    language: str
    toolchain: str
    """The interpreter or compiler and its version; verdicts can differ between versions."""
    precompiled_header: bool = False
    """Whether C++'s standard header was compiled once for all programs."""
    workers: int = Field(ge=1)
    """How many programs ran at once."""
    wall_s: float = Field(ge=0)
    isolation: Isolation
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> int:
        """Return how many programs passed."""
        return sum(verdict.passed for verdict in self.verdicts)

    @property
    def passed_on_other_machines(self) -> tuple[int, int]:
        """Return how many passed without, and with, all whose verdict depends on speed."""
        doubtful = [verdict for verdict in self.verdicts if verdict.depends_on_speed]
        least = self.passed - sum(verdict.passed for verdict in doubtful)
        return least, least + len(doubtful)
