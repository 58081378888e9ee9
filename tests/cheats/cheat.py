"""A cheat as data: what is tried, what catches it, what it costs; and the code that tries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError

Rung = Literal["plan", "run", "verify", "re-evaluation", "repetition", "nothing"]
"""What catches it first: before anything is started, while it runs, from the files alone, by
answering again from the adapter, by training a round again blindly, or nothing but a reader."""

Attack = Callable[[Path], str]
"""(an empty folder) -> what was said against it; a HarnessError says it too; "" for nothing."""


@dataclass(frozen=True, slots=True)
class Cheat:
    """One cheat."""

    name: str
    how: str
    caught_by: Rung
    says: str
    """Words of what is said, "" where nothing is."""
    costs: str
    """Estimate of what it costs a cheater."""
    attack: Attack

    def tried(self, folder: Path) -> str:
        """Try it; return what was said."""
        try:
            return self.attack(folder)
        except HarnessError as error:
            return str(error)


CHEATS: list[Cheat] = []
"""All of them, in the order of the modules that hold them."""


def cheat(how: str, caught_by: Rung, says: str, costs: str) -> Callable[[Attack], Attack]:
    """Declare the function below as a cheat; its name is the cheat's.

    Args:
        how: what is done, in a clause.
        caught_by: the rung that catches it first.
        says: words of what is said.
        costs: estimate of what it costs a cheater.
    """

    def add(attack: Attack) -> Attack:
        name = attack.__name__.replace("_s_", "'s ").replace("_", " ")
        CHEATS.append(Cheat(name, how, caught_by, says, costs, attack))
        return attack

    return add
