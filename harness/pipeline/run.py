"""The pipeline: resolve, rules, sources, federate, evaluate, compose; each stage leaves its files.

A run directory holds everything, so a stage that an earlier session finished is not repeated. The
process that does this loads no plugin: what only plugin code can say or do is asked of children.
"""

from __future__ import annotations

import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness import run_directory
from harness.boards.registry import protocol_of
from harness.document import digest_of, pretty_json, read_document, sha256_file, write_atomic
from harness.document.units import how_many
from harness.errors import (
    OtherAnswersError,
    OtherRunError,
    PluginError,
    RecordError,
    RuleViolationError,
    UsageError,
)
from harness.evaluation.sealed.evaluator import Evaluator
from harness.evaluation.sealed.launch import evaluate_run, refuse_missing_languages
from harness.federation.engine import LOCAL, federate
from harness.federation.job import Job
from harness.federation.options import Options
from harness.machine.energy.carbon import factor_of
from harness.machine.machine import this_machine
from harness.machine.versions import require_run_extra
from harness.pipeline.compose import compose
from harness.pipeline.events import Event, Events, Observer, told
from harness.pipeline.loss_plot import plot_loss
from harness.pipeline.measured import measured
from harness.planning.apart.asking import Plan, plan_apart
from harness.planning.devices import memory_doubt, refuse_hopeless_device, refuse_hopeless_memory
from harness.planning.forecast import evaluation_s
from harness.planning.resolve import Request
from harness.planning.rules import refuse
from harness.processes import startup
from harness.progress import format_duration
from harness.record.card import card
from harness.record.file_names import (
    ADAPTER,
    ADAPTER_WEIGHTS,
    ASSETS,
    CARD,
    LOSS_PLOT,
    RESULT,
    ROUNDS,
    SCORES,
    SPEC,
)
from harness.record.result import EVALUATE, FEDERATE, ResultRecord, read_result
from harness.sources.assets import Assets, locate
from harness.sources.hub_model import hub_model
from harness.sources.wheel import begin_digests


@dataclass(frozen=True, slots=True)
class Settings:
    """What of a run does not change its numbers."""

    out: Path | None = None
    mirror: Path | None = None
    federation: Options = field(default_factory=lambda: Options())
    country: str | None = None
    """By whose factor energy becomes CO2; see `harness.machine.energy.carbon`. None: by none."""
    observers: tuple[Observer, ...] = ()
    """Told every event of the run, besides the console."""

    def events(self) -> Events:
        """Return the events of a session that begins now."""
        return Events(self.observers if self.federation.quiet else (told, *self.observers))


def start(request: Request, settings: Settings) -> tuple[Path, ResultRecord]:
    """Run a recipe from the beginning.

    Returns:
        The run directory and its record.

    Raises:
        HarnessError: see `harness.errors` for the stage and the exit code.
    """
    require_run_extra()
    factor = None if settings.country is None else factor_of(settings.country)
    startup.here()  # before the first plugin is loaded
    if request.smoke:
        begin_digests()  # which model it takes is known, and another process plans now
    resolved = _resolved(request, settings)
    refuse(resolved.violations)
    refuse_hopeless_device(request.device, resolved.spec, resolved.forecast)
    doubt = None
    if not _elsewhere(settings.federation):
        device = resolved.spec.compute.device
        refuse_hopeless_memory(resolved.forecast, device, this_machine())
        doubt = memory_doubt(resolved.forecast, device, this_machine())
    refuse_missing_languages(resolved.challenge)
    out = settings.out or run_directory.default_run_dir(resolved.spec)
    run_directory.refuse_existing(out)
    run_directory.refuse_unwritable(out, resolved.forecast.estimate.disk_bytes)
    events = settings.events()
    events.run_dir = out
    events.step(f"run directory: {out}")
    if doubt is not None:
        events.step(doubt)
    if resolved.replaced:
        events.step(f"--smoke replaces {', '.join(resolved.replaced)}")
    events.step(f"{resolved.spec.label} for {resolved.challenge.id}: looking for model and data")
    assets = locate(resolved.spec, resolved.challenge, settings.mirror)
    job = Job(spec=resolved.spec, challenge=resolved.challenge, assets=assets)
    with run_directory.run_lock(out):
        run_directory.refuse_existing(out)  # another process may have been quicker
        run_directory.create(out, resolved.spec, assets)
        run_directory.keep_command(out, request.command(resolved.spec))
        if factor is not None:
            run_directory.keep_factor(out, factor)
        return out, _finish(out, job, settings, events)


def resume(out: Path, request: Request | None, settings: Settings) -> ResultRecord:
    """Continue the run in `out` where it stopped; the record of a finished one stays as it is.

    Args:
        out: the run directory.
        request: what the command line asks for besides, which must be the same run; or None.

    Raises:
        RecordError: no run there, or its spec, challenge or data is not what it was.
        PluginError: a plugin changed since.
    """
    require_run_extra()
    factor = None if settings.country is None else factor_of(settings.country)
    startup.here()  # before the first plugin is loaded
    spec = run_directory.read_spec(out)
    if request is not None:
        run_directory.refuse_other_spec(out, _resolved(request, settings).spec)
    events = settings.events()
    events.run_dir = out
    if (out / RESULT).is_file():
        events.step(f"run directory: {out}, finished already")
        return read_result(out / RESULT)
    challenge = spec.rules()
    if digest_of(challenge) != spec.challenge.digest:
        raise RecordError(
            f"{out}: run under {spec.challenge.id} {spec.challenge.digest[:12]}, this harness has"
            f" {digest_of(challenge)[:12]}; resume with the harness version that started it"
        )
    events.step(f"run directory: {out}, resumed")
    assets = locate(spec, challenge, settings.mirror)
    if (out / ASSETS).is_file():
        _refuse_other_data(out, read_document(Assets, out / ASSETS), assets)
    job = Job(spec=spec, challenge=challenge, assets=assets)
    with run_directory.run_lock(out):
        run_directory.create(out, spec, assets)
        if factor is not None:
            run_directory.keep_factor(out, factor)
        return _finish(out, job, settings, events)


def _resolved(request: Request, settings: Settings) -> Plan:
    models = partial(hub_model, mirror=settings.mirror)
    return plan_apart(request, settings.federation.isolation, models)


def _refuse_other_data(out: Path, before: Assets, now: Assets) -> None:
    digests = {item.name: item.sha256 for item in before.data}
    for item in now.data:
        if digests.get(item.name) != item.sha256:
            raise RecordError(
                f"{out}: {item.name} is {item.sha256[:12]} now, the run began with"
                f" {str(digests.get(item.name))[:12]}; provide the same files or start a new run"
            )


def _elsewhere(how: Options) -> bool:
    """Whether clients train on machines that this command does not know."""
    return how.ray_address is not None or how.superlink not in (None, LOCAL)


def _finish(out: Path, job: Job, settings: Settings, events: Events) -> ResultRecord:
    """Run the stages from the federation on, and say how to go on where one stops that can.

    Raises:
        RecordError: the run directory was deleted meanwhile.
    """
    try:
        return _stages(out, job, settings, events)
    except PluginError:
        events.step("stopped; --resume takes the same plugin only: with a mended one, start anew")
        raise
    except (OtherAnswersError, OtherRunError, RuleViolationError, UsageError):
        raise  # it would stop there again
    except BaseException as error:
        if not (out / SPEC).is_file():
            raise RecordError(
                f"{out}: deleted or moved while the run went on; start it again, or resume it where"
                " it was moved to"
            ) from error
        events.step(f"stopped; go on with: harness run --resume {shlex.quote(str(out))}")
        raise


def _stages(out: Path, job: Job, settings: Settings, events: Events) -> ResultRecord:
    """Run the stages; what an earlier session finished is not repeated."""
    train, supernodes = job.spec.train, job.challenge.num_supernodes
    clients = job.challenge.clients_per_round(train.fraction)
    events.step(
        f"federate: {how_many(train.rounds, 'round')} of {clients} clients of {supernodes}"
        f" supernodes, {how_many(train.max_steps, 'step')} each; starting Flower"
    )
    device = job.spec.compute.device
    how = settings.federation
    with Evaluator() as evaluator:
        ready = partial(ready_for_the_end, evaluator, train.rounds)
        with (
            measured(out, FEDERATE, device, _elsewhere(how)),
            events.rounds(out / ROUNDS, train.rounds),
            events.also(ready),
        ):
            outcome = federate(job, out, settings.federation)
        tasks = ", ".join(item.task for item in job.challenge.evaluation)
        events.step(f"evaluate: {tasks}{_slowly(job, out)}")
        title = f"{job.spec.label} on {job.challenge.id}"
        with measured(out, EVALUATE, device), ThreadPoolExecutor(1) as beside:
            drawn = beside.submit(plot_loss, title, outcome.rounds, out / LOSS_PLOT)
            evaluated = evaluate_run(
                out,
                device=device,
                quiet=settings.federation.quiet,
                adapter_sha256=sha256_file(out / ADAPTER / ADAPTER_WEIGHTS),
                fresh=outcome.duration_s > 0,
                evaluator=evaluator,
            )
    record = compose(job, outcome, evaluated.scores, out)
    drawn.result()
    write_atomic(out / CARD, card(record, job.challenge, run_directory.read_command(out)))
    write_atomic(out / RESULT, pretty_json(record.to_json()))
    events.finished(record)
    return record


def _slowly(job: Job, out: Path) -> str:
    """Say what makes an evaluation slow, and how long it may take: it can be days."""
    drawn = protocol_of(job.challenge).decoding.sampling is not None
    drawn = drawn and job.spec.compute.device != "cuda"
    why = "programs are drawn on the CPU" if drawn else job.spec.model.slow_evaluation
    if not why or (out / SCORES).is_file():
        return ""
    seconds = evaluation_s(job.spec, job.challenge, this_machine())
    most = "" if seconds is None else f", forecast to take at most {format_duration(seconds)}"
    return f"; {why}{most}"


def ready_for_the_end(evaluator: Evaluator, rounds: int, event: Event) -> None:
    """Start the evaluating process when the last round begins: its libraries take 5 s to load."""
    if event.round is not None and event.round.round == rounds - 1:
        evaluator.start(ahead=True)
