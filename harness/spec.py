"""RunSpec: one challenge and one recipe resolved to plain values, plus seed and device.

Everything that decides a number is in it, so equal digests mean equal runs on equal machines and
versions. How many Ray actors share the work is not in it: that must not change a number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from harness.boards.challenge import Challenge, load_challenge
from harness.boards.open_division import Division, OpenRules, opened
from harness.components import ModelSpec
from harness.document import Document, digest_of
from harness.recipe import (
    FILE_PLUGIN,
    NO_EXTENSIONS,
    Choice,
    Extensions,
    Price,
    TrainSpec,
)

SPEC_VERSION = 1
SEEDS = range(2**31)
"""What a run's seed may be."""


class ChallengeRef(Document):
    """The rules that a run followed, by digest: in the open division those with its changes."""

    id: str
    revision: int
    digest: str

    @classmethod
    def of(cls, challenge: Challenge) -> ChallengeRef:
        """Return the reference to `challenge`."""
        return cls(id=challenge.id, revision=challenge.revision, digest=digest_of(challenge))


class PluginRef(Document):
    """A distribution whose code or data took part in a run."""

    name: str
    """Entry point name."""
    version: str
    """Version of its distribution."""
    digest: str
    """sha256 over the files of it that can run; see `harness.plugins.content_digest`."""
    editable: bool = False
    """Whether it was installed in editable mode, so that its files may change under a version."""


_EXAMPLES = ("loop", "loss", "optimizer", "ranks", "rows", "warm-start")
IN_A_CLONE = frozenset(
    ("federated-lora", "smollm2-dora", "standard", *(f"example-{name}" for name in _EXAMPLES))
)
"""Plugins of `plugins/`, which `tox -e repro` installs by itself."""


def to_install(plugins: Iterable[PluginRef]) -> tuple[list[str], str]:
    """Return what `tox -e repro` has to be told of plugins that no clone holds, and what it means.

    Args:
        plugins: of a record.

    Returns:
        Its arguments, and a phrase that follows the command; nothing and "" without such plugins.
    """
    others = [ref for ref in plugins if ref.name not in IN_A_CLONE]
    named = " and ".join(f"plugin {ref.name} {ref.version}" for ref in others)
    where = f", where WHERE is what pip installs {named} from" if others else ""
    return ["--install", "WHERE"] * len(others), where


class Compute(Document):
    """The facts of the machine that decide numbers."""

    device: Literal["cpu", "cuda"]
    threads: int = Field(ge=1)
    """torch threads per client; another number sums in another order."""


class RunSpec(Document):
    """A resolved run."""

    schema_version: int = SPEC_VERSION
    challenge: ChallengeRef
    plugin: str
    recipe: str
    plugins: tuple[PluginRef, ...] = Field(max_length=1_000, fail_fast=True)
    model: ModelSpec
    peft: Choice
    """`name` qualified (`standard/dora`), `params` complete."""
    strategy: Choice
    train: TrainSpec
    extensions: Extensions = Field(NO_EXTENSIONS, exclude_if=lambda item: item == NO_EXTENSIONS)
    """Names qualified, `params` complete."""
    client_ranks: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None, max_length=10_000, fail_fast=True, exclude_if=lambda ranks: ranks is None
    )
    """Rank of each partition, as `extensions.ranks` gives it; None: the adapter's for all."""
    price: Price | None = None
    seed: int = Field(ge=SEEDS.start, lt=SEEDS.stop)
    compute: Compute
    evaluation_rows: int | None = Field(None, ge=1)
    """How many rows of each evaluation set, from the first on; None: all, the only eligible
    choice."""
    smoke: bool = False
    """Synthetic data and a small model: shows that everything works, ranks nowhere."""
    open: OpenRules | None = Field(None, exclude_if=lambda rules: rules is None)
    """What a run of the open division changes of the challenge; None: the closed division."""

    @property
    def needed_plugins(self) -> tuple[PluginRef, ...]:
        """The plugins whose code the processes of the run load: those of its components."""
        named = (self.peft, self.strategy, *self.extensions.components.values())
        owners = {item.name.partition("/")[0] for item in named}
        return tuple(ref for ref in self.plugins if ref.name in owners)

    @property
    def label(self) -> str:
        """`plugin/recipe`, as on the command line; `file/recipe` where it came out of a file."""
        return f"{self.plugin}/{self.recipe}"

    @property
    def asked_by(self) -> tuple[str, ...]:
        """What names the recipe after `harness run`: its plugin's option, or a file."""
        if self.plugin == FILE_PLUGIN:
            return (f"{self.recipe}.toml",)
        return ("--plugin", self.label)

    @property
    def division(self) -> Division:
        """`open` for a run that may change what its challenge fixes, else `closed`."""
        return "closed" if self.open is None else "open"

    @property
    def open_changes(self) -> str:
        """What a run of the open division changes, in words; empty in the closed one."""
        if self.open is None:
            return ""
        rows = "" if self.evaluation_rows is None else f", {self.evaluation_rows} rows of each set"
        return self.open.described() + rows

    def rules(self) -> Challenge:
        """Return the rules that the run follows, as this harness has them.

        Raises:
            UsageError: there is no such challenge, or the open division cannot change it so.
        """
        return opened(load_challenge(self.challenge.id), self.open)


def derived_seed(*parts: object) -> int:
    """Return a seed in [0, 2**63) that depends on every part, in order.

    Every random choice of a run draws from `derived_seed(spec.seed, purpose, round, partition)`:
    the purposes are listed in `docs/reproducing.md`. Sums such as `seed + round` would make choices
    equal that should differ: round 2 of seed 7 and round 1 of seed 8.

    Args:
        parts: numbers and words, told apart by their text and place: (1, 23) is not (12, 3).
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
