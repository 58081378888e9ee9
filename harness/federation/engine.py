"""The federation's front door: a child loads the plugins and runs it, this process checks it.

This process never loads a plugin. What a child writes is read by it as a stranger's files are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.document import parse_document, parse_json, read_document, write_document
from harness.errors import FederationError, UsageError
from harness.federation.job import Job
from harness.federation.options import FederationOutcome, Options
from harness.federation.order import FederationOrder, Report
from harness.federation.storage.ledger import Ledger
from harness.federation.superlink.handover import APP, HANDOVER_FILE
from harness.isolation import grants
from harness.isolation.plugin_process import Enclosure, ask
from harness.library_internals.ray import ray_folder
from harness.record.file_names import ADAPTER, ADAPTER_WEIGHTS, ISOLATION, LOGS, ROUNDS
from harness.record.isolation import Held, Isolation

__all__ = ["FederationOutcome", "Job", "Options", "federate"]

NOTHING = Held(files="open", network="open", processes="watched", signals="open", landlock=0)
UNKNOWN = NOTHING.with_values(missing=("the first rounds were made before isolation was noted",))
ELSEWHERE = NOTHING.with_values(missing=("a SuperLink ran the server and the clients elsewhere",))
CLUSTER = NOTHING.with_values(
    missing=("clients ran on a Ray cluster that others started; its server was with them",)
)

LOCAL = "local"
"""`--superlink local`: a simulation SuperLink that lives as long as the run."""


def federate(job: Job, run_dir: Path, options: Options) -> FederationOutcome:
    """Run the federation of a spec, or what is left of it, in a process of its own.

    Args:
        job: the run, its challenge, and where its model and data lie on this machine.
        run_dir: new, or of the same run interrupted; nothing else is resumed.
        options: how to run.

    Returns:
        The rounds and what this session was.

    Raises:
        FederationError: and its kinds; the run directory can be resumed.
        RecordError: the directory holds another run's checkpoints.
        RuleViolationError: the measured communication exceeded the limit.
        PluginError: a plugin changed, or contradicts itself.
        UsageError: isolation is required, and cannot be had.
        KeyboardInterrupt: stopped by a signal; no child process is left.
    """
    # These need numpy, and a command that is refused does not.
    from harness.federation.checked import check_adapter, check_rounds, expected_roster

    run_dir = run_dir.absolute()
    place = _elsewhere(options)
    ours = place is None
    _refuse_local_files(options, place)
    if options.isolation == "required" and place is not None:
        raise UsageError(
            f"--isolation required: {place} runs the clients, and what holds them there is not"
            " known here; leave it out, or use --superlink local"
        )
    before = tuple(Ledger(run_dir).rounds)
    finished = (run_dir / ADAPTER / ADAPTER_WEIGHTS).is_file()
    begin = time.monotonic()
    folder = ray_folder("harness-ray-")
    order = FederationOrder(job=job, options=options, run_dir=str(run_dir), folder=folder)
    with _prepared(run_dir, job, options) as parts:
        assets = job.assets
        files = [assets.model_dir, assets.training_file, assets.warm_start]
        around = Enclosure(
            folder=folder,
            policy=options.isolation if ours else "off",
            allowed=(
                *(item for part in parts for item in grants.kept(part)),
                *(item for path in files if path for item in grants.readable(path)),
            ),
            on_start=lambda held: _note(run_dir, options, held, bool(before)),
        )
        needed = " and ".join(f"plugin {ref.name}" for ref in job.spec.needed_plugins)
        given = order.canonical_json()
        answer = ask("harness.federation", given, around, FederationError, needed or "plugins")
    report = parse_document(Report, parse_json(answer, "report"), "the report of the federation")
    rounds = tuple(Ledger(run_dir).rounds)
    check_rounds(job, options, rounds)
    if options.only is None and len(rounds) == job.spec.train.rounds:
        check_adapter(job, run_dir, rounds)
    return FederationOutcome(
        rounds=rounds,
        roster_sha256=expected_roster(job.challenge),
        device=report.device,
        # Of a run that was finished, nothing was done.
        duration_s=0.0 if finished and rounds == before else time.monotonic() - begin,
        client=report.client,
    )


def _elsewhere(options: Options) -> str | None:
    """Return who runs the clients where this process starts nothing, in words; None: this machine.

    Raises:
        UsageError: a SuperLink and a Ray cluster are asked for, or an address that is none.
    """
    if options.ray_address is not None:
        from harness.federation.cluster.address import refuse_address

        if options.superlink is not None:
            raise UsageError("--ray-address and --superlink exclude each other; leave out one")
        refuse_address(options.ray_address)
        return f"the Ray cluster {options.ray_address!r}"
    return None if options.superlink in (None, LOCAL) else f"the SuperLink {options.superlink!r}"


def _refuse_local_files(options: Options, elsewhere: str | None) -> None:
    """Refuse what needs files that stay on other machines.

    Raises:
        UsageError: it is asked for.
    """
    if elsewhere is None:
        return
    if options.keep_steps:
        raise UsageError(
            f"--keep-steps: clients would keep them on the machines of {elsewhere}; run with"
            " --superlink local, or on this machine"
        )
    if options.only is not None:
        raise UsageError("a replay of one client runs on this machine; name no place elsewhere")


@contextmanager
def _prepared(run_dir: Path, job: Job, options: Options) -> Iterator[list[Path]]:
    """Make what the child may write in, for it can make nothing else; yield that.

    What is still empty at the end is removed.
    """
    from harness.federation.clientapp.client_state import CLIENT_STATES
    from harness.federation.storage.checkpoint import CHECKPOINTS

    train = job.spec.train
    kept = range(train.save_every_rounds, train.rounds, train.save_every_rounds)
    names = [CHECKPOINTS, CLIENT_STATES, ADAPTER, LOGS, *(f"adapter_round_{n}" for n in kept)]
    files = [ROUNDS]
    if options.superlink is not None:
        names.append(APP)
        files.append(HANDOVER_FILE)
    folders = [run_dir / name for name in names]
    for path in folders:
        path.mkdir(parents=True, exist_ok=True)
    for name in files:
        (run_dir / name).touch()
    try:
        yield [*folders, *(run_dir / name for name in files)]
    finally:
        for path in folders:
            with suppress(OSError):
                path.rmdir()
        for name in files:
            with suppress(OSError):
                if not (run_dir / name).stat().st_size:
                    (run_dir / name).unlink()


def _note(run_dir: Path, options: Options, held: Held, resumed: bool) -> None:
    """Keep what holds this session, before any plugin is loaded in it.

    Args:
        run_dir: the run directory.
        options: what was asked for.
        held: what holds.
        resumed: whether there are rounds of earlier sessions.
    """
    path = run_dir / ISOLATION
    if options.ray_address is not None:
        held = CLUSTER
    elif options.superlink not in (None, LOCAL):
        held = ELSEWHERE
    now = Isolation(policy=options.isolation, federation=held)
    if path.is_file():
        now = now.with_session(read_document(Isolation, path))
    elif resumed:
        now = now.with_session(Isolation(policy="off", federation=UNKNOWN))
    write_document(path, now)
