"""The Python interface: `harness.plan`, `harness.run` and `harness.load`.

    import harness

    plan = harness.plan("smollm2-dora/135m", rounds=3)
    run = harness.run(plan, out="runs/first")
    run.scores, run.rounds, run.adapter

Importing it is light; torch and Flower are loaded by `run` alone. What the command line says in one
line and an exit code is an exception here: a `harness.errors.HarnessError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from harness import progress as told
from harness.boards.open_division import Division
from harness.document import Document, explain, read_document
from harness.document.toml_text import toml_value
from harness.document.units import how_many
from harness.errors import RecordError, UsageError
from harness.machine.machine import measured_machine
from harness.machine.versions import require_run_extra
from harness.planning.recipe_files import read_recipe
from harness.planning.resolve import Request, Resolved, resolve
from harness.progress import format_duration
from harness.recipe import Recipe
from harness.record.federation import RoundRecord
from harness.record.file_names import ADAPTER, RESULT, ROUNDS, SPEC
from harness.record.result import ResultRecord, read_result
from harness.spec import SEEDS, RunSpec

if TYPE_CHECKING:
    from harness.pipeline.events import Event


@dataclass(frozen=True, repr=False)
class Plan:
    """A run that is resolved and forecast, and not started."""

    request: Request
    resolved: Resolved
    mirror: Path | None = None

    def __repr__(self) -> str:
        """Say what it would be, in a line."""
        broken = len(self.violations)
        rules = f"breaks {how_many(broken, 'rule')}" if broken else "all rules kept"
        return (
            f"<Plan {self.spec.label} on {self.spec.challenge.id}:"
            f" {how_many(self.spec.train.rounds, 'round')}, {self.communication_mib:.2f} MiB,"
            f" about {format_duration(self.training_s)} of training, {rules}>"
        )

    @property
    def spec(self) -> RunSpec:
        """Everything that decides a number."""
        return self.resolved.spec

    @property
    def communication_mib(self) -> float:
        """MiB of all train messages of the run, both directions."""
        return self.resolved.forecast.communication.total_mib

    @property
    def adapter_parameters(self) -> int:
        """Weights of the adapter."""
        return self.resolved.forecast.adapter.parameters

    @property
    def training_s(self) -> float:
        """Seconds of training on this machine, by forecast."""
        return self.resolved.forecast.estimate.training_s

    @property
    def memory_bytes(self) -> int:
        """Peak memory on this machine, by forecast."""
        return self.resolved.forecast.estimate.memory_bytes

    @property
    def violations(self) -> tuple[str, ...]:
        """Rules that the run would break, a sentence each; `run` refuses where there is one."""
        return tuple(
            f"[{item.rule}] {item.found}; expected {item.expected}"
            for item in self.resolved.violations
        )


class _Asked(Document):
    """What the command line's options of a request take."""

    challenge: str | None
    smoke: bool
    seed: int | None = Field(ge=SEEDS[0], le=SEEDS[-1])
    device: Literal["auto", "cpu", "cuda"]
    threads: int | None = Field(ge=1)
    limit: int | None = Field(ge=1)
    division: Division | None


class Run:
    """A run directory, a submission or a record, finished or not."""

    def __init__(self, path: Path) -> None:
        """Remember where it is; files are read when they are asked for."""
        self.path = path

    def __repr__(self) -> str:
        """Say what it is and how it came out."""
        if self.record is None:
            return f"<Run {self.path}: {how_many(len(self.rounds), 'round')}, no result yet>"
        return f"<Run {self.path}: {100 * self.record.average:.2f} %>"

    @cached_property
    def record(self) -> ResultRecord | None:
        """The record, or None while there is none."""
        path = self.path if self.path.is_file() else self.path / RESULT
        return read_result(path) if path.is_file() else None

    @cached_property
    def spec(self) -> RunSpec:
        """What was asked for."""
        return read_document(RunSpec, self.path / SPEC) if self.record is None else self.record.spec

    @property
    def scores(self) -> dict[str, float]:
        """Evaluation set -> official accuracy, a fraction; empty before the evaluation."""
        scores = () if self.record is None else self.record.scores
        return {item.task: item.value for item in scores if item.metric == "accuracy"}

    @property
    def average(self) -> float | None:
        """Plain mean of the scores, a fraction; None before the evaluation."""
        return None if self.record is None else self.record.average

    @property
    def rounds(self) -> tuple[RoundRecord, ...]:
        """Every round with its losses, bytes and digests, as far as the run has come."""
        if self.record is not None:
            return self.record.federation.rounds
        path = self.path / ROUNDS
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        return tuple(RoundRecord.model_validate_json(line) for line in whole)

    @property
    def adapter(self) -> Path | None:
        """Folder of the trained adapter in peft's format, or None where it is not there."""
        folder = (self.path.parent if self.path.is_file() else self.path) / ADAPTER
        return folder if folder.is_dir() else None

    @property
    def eligible(self) -> bool:
        """Whether the run may rank."""
        return self.record is not None and self.record.eligible


def plan(
    recipe: str | Path | Recipe,
    *,
    challenge: str | None = None,
    smoke: bool = False,
    seed: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    limit: int | None = None,
    mirror: str | Path | None = None,
    division: Division | None = None,
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> Plan:
    """Resolve a recipe, check the rules and forecast the run; nothing heavy is loaded.

    Args:
        recipe: `plugin` or `plugin/recipe`; the path of a recipe's file, ending in .toml; or a
            `Recipe`, whose component names are complete.
        challenge: the board; None: the recipe's.
        smoke: small model, synthetic text, 2 rounds; never ranks.
        seed: of every random choice.
        device: `auto`, `cpu` or `cuda`.
        threads: torch threads per client.
        limit: evaluate only the first rows of each set; not eligible.
        mirror: local copy of hub files.
        division: `open` lets settings change what the board fixes (`num_supernodes`,
            `partitioner.kind`, `dataset`); such a run has a table of its own. None: the recipe's.
        settings: what `--set` would change, by its key: `{"peft.r": 16}`.
        more: the same for keys that are Python names: `rounds=3`.

    Raises:
        UsageError: an argument that the command line's option would refuse.
        HarnessError: a kind for each reason; see `harness.errors`. Rules that are broken are no
            error here: see `Plan.violations`.
    """
    from harness.sources.hub_model import hub_model

    try:
        asked = _Asked(
            challenge=challenge, smoke=smoke, seed=seed, device=device, threads=threads,
            limit=limit, division=division,
        )  # fmt: skip
    except ValidationError as error:
        raise UsageError(explain(error)) from None
    folder = None if mirror is None else Path(mirror)
    if folder is not None and not folder.is_dir():
        raise UsageError(f"mirror: no folder {folder}; expected a copy of hub files")
    changes = {**(settings or {}), **more}
    overrides = tuple(f"{key}={toml_value(value)}" for key, value in changes.items())
    named, proposed = _named(recipe)
    request = Request(
        named,
        recipe=proposed,
        challenge=asked.challenge,
        overrides=overrides,
        smoke=asked.smoke,
        seed=asked.seed,
        device=asked.device,
        threads=asked.threads,
        evaluation_rows=asked.limit,
        division=asked.division,
    )
    hub_models = partial(hub_model, mirror=folder)
    return Plan(request, resolve(request, measured_machine(), hub_models), folder)


def _named(recipe: str | Path | Recipe) -> tuple[str, Recipe | None]:
    if isinstance(recipe, Recipe):
        return f"{recipe.name}.toml", recipe
    if isinstance(recipe, Path) or recipe.endswith(".toml"):
        return str(recipe), read_recipe(Path(recipe))
    return recipe, None


def run(
    what: Plan | str | Path | Recipe,
    *,
    out: str | Path | None = None,
    progress: Callable[[Event], None] | None = None,
    quiet: bool = False,
    **more: Any,
) -> Run:
    """Federate, evaluate and record a run; returns when the result is written.

    Args:
        what: a plan, or what `plan` takes.
        out: new run directory; None: under `runs/`.
        progress: called with each event of the run, from another thread for rounds; what it raises
            ends its being called, not the run.
        quiet: print nothing on stderr.
        more: arguments of `plan`, where `what` is none.

    Raises:
        UsageError: arguments of `plan` beside a plan.
        HarnessError: as the command line; the run directory can be resumed with `resume`.
    """
    if isinstance(what, Plan):
        if more:
            raise UsageError(f"{', '.join(more)}: a plan is complete; give it to harness.plan")
        planned = what
    else:
        planned = plan(what, **more)
    require_run_extra()
    from harness.federation.options import Options
    from harness.pipeline import run as pipeline

    settings = pipeline.Settings(
        out=None if out is None else Path(out),
        mirror=planned.mirror,
        federation=Options(quiet=quiet),
        observers=() if progress is None else (progress,),
    )
    with told.only_if(not quiet):
        folder, _ = pipeline.start(planned.request, settings)
    return Run(folder)


def resume(
    path: str | Path,
    *,
    progress: Callable[[Event], None] | None = None,
    quiet: bool = False,
    mirror: str | Path | None = None,
) -> Run:
    """Go on with a run that was stopped; a finished one is returned as it is.

    Args:
        path: the run directory.
        progress: as for `run`.
        quiet: print nothing on stderr.
        mirror: local copy of hub files.

    Raises:
        HarnessError: no run there, or data or plugins are not what they were.
    """
    require_run_extra()
    from harness.federation.options import Options
    from harness.pipeline import run as pipeline

    settings = pipeline.Settings(
        mirror=None if mirror is None else Path(mirror),
        federation=Options(quiet=quiet),
        observers=() if progress is None else (progress,),
    )
    with told.only_if(not quiet):
        pipeline.resume(Path(path), None, settings)
    return Run(Path(path))


def load(path: str | Path) -> Run:
    """Return a run directory, a submission or a record as a `Run`.

    Raises:
        RecordError: none of these is there.
    """
    found = Path(path)
    if not (found.is_file() or (found / RESULT).is_file() or (found / SPEC).is_file()):
        raise RecordError(f"{found}: no {RESULT} and no {SPEC}; expected a run or a submission")
    return Run(found)
