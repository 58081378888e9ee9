"""Repeat what a record says, or one round or one client of it, and compare.

What repeats is compared by digest, byte for byte. Where the bytes differ and the original tensors
are at hand, the difference is measured; whether it is within the challenge's tolerance is said
beside the verdict, and counts only when the caller asks for it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from harness import run_directory
from harness.boards.challenge import Challenge
from harness.document import digest_of, sha256_file
from harness.errors import PluginError, RecordError
from harness.federation.engine import federate
from harness.federation.job import Job
from harness.federation.options import FederationOutcome, Options
from harness.federation.storage import checkpoint
from harness.federation.storage.ledger import Ledger
from harness.machine.versions import package_versions, require_run_extra
from harness.plugins import refuse_other_plugins
from harness.record.file_names import ADAPTER, ADAPTER_WEIGHTS
from harness.record.ladder import Level
from harness.record.result import ResultRecord
from harness.reproduce.comparison import (
    Comparison,
    Reproduction,
    compare_score,
    compare_tensors,
    equal_items,
)
from harness.reproduce.original import Original, read_original
from harness.reproduce.recorded_versions import repeating_command
from harness.reproduce.start import refuse_used, seed_from_checkpoint
from harness.sources.assets import locate
from harness.sources.wheel import WHEEL_HUB_ID, begin_digests
from harness.spec import RunSpec


def reproduce(
    path: Path,
    work_dir: Path,
    number: int | None = None,
    client: int | None = None,
    mirror: Path | None = None,
    options: Options | None = None,
    trust_remote_code: bool = False,
) -> Reproduction:
    """Repeat and compare.

    Args:
        path: result file, submission folder or run directory.
        work_dir: where the repetition writes; new or empty.
        number: repeat this round only; from the checkpoint before it where there is one, else from
            the nearest earlier one, else from the start.
        client: repeat this partition of that round only.
        mirror: where models and data lie.
        options: how to run.
        trust_remote_code: whether code out of the model's folder may run, if the record's did.

    Raises:
        UsageError: no such round or client, or `work_dir` is in use.
        PluginError: an installed plugin is not the one that the record names.
        RecordError: the data here are not what the record was made with.
        HarnessError: what a run raises.
    """
    require_run_extra()
    original = read_original(path)
    original.refuse_impossible(number, client)
    original.refuse_unasked_code(trust_remote_code)
    refuse_used(work_dir)
    spec, challenge = original.spec, original.challenge()
    if spec.model.hub_id == WHEEL_HUB_ID:
        begin_digests()
    _refuse_other_plugins(original, number, client)
    assets = locate(spec, challenge, mirror)
    original.refuse_other_data(assets)
    job = Job(spec=spec, challenge=challenge, assets=assets)
    how = options or Options()
    if number is None:
        return _whole(original, job, work_dir, how)
    begun = seed_from_checkpoint(original.folder, work_dir, number - 1)
    if client is None:
        federate(job, work_dir, how.with_values(until=number))
        return _round(original, challenge, work_dir, number, begun)
    if number - 1 > begun:
        federate(job, work_dir, how.with_values(until=number - 1))
    outcome = federate(job, work_dir, how.with_values(only=client))
    return _client(original, challenge, outcome, number, client, begun)


def _refuse_other_plugins(original: Original, number: int | None, client: int | None) -> None:
    """Check that what the record names is here, or say how it is repeated with what it names."""
    try:
        refuse_other_plugins(original.spec.needed_plugins)
    except PluginError as error:
        again = repeating_command(original, number, client)
        raise PluginError(f"{error}; or, {again}" if again else str(error)) from error


def _whole(original: Original, job: Job, work_dir: Path, options: Options) -> Reproduction:
    run_directory.create(work_dir, job.spec, job.assets)
    outcome = federate(job, work_dir, options)
    items = [
        item
        for before, after in zip(original.rounds, outcome.rounds, strict=True)
        for item in equal_items(before, after)
    ]
    adapter = work_dir / ADAPTER / ADAPTER_WEIGHTS
    if original.record is not None:
        expected = original.record.adapter.sha256
        items.append(Comparison.of("adapter", sha256_file(adapter), expected))
        items.extend(_scores(original.record, work_dir, job.spec, options))
    last = job.spec.train.rounds
    items.extend(compare_tensors(f"adapter of round {last}", adapter, original.tensors(last)))
    return reproduction("re-run", "the whole run", original, job.challenge, items)


def _scores(
    record: ResultRecord, work_dir: Path, spec: RunSpec, options: Options
) -> list[Comparison]:
    from harness.evaluation.sealed.launch import evaluate_run

    found = evaluate_run(work_dir, device=spec.compute.device, quiet=options.quiet, fresh=True)
    return [compare_score(score, found.scores.scores) for score in record.scores]


def _round(
    original: Original, challenge: Challenge, work_dir: Path, number: int, begun: int
) -> Reproduction:
    after = Ledger(work_dir).rounds[number - 1]
    items = equal_items(original.rounds[number - 1], after)
    path = checkpoint.path_of(work_dir, number)
    items.extend(compare_tensors(f"adapter of round {number}", path, original.tensors(number)))
    scope = f"round {number}, from {_beginning(begun)}"
    return reproduction("round-replayed", scope, original, challenge, items)


def _client(
    original: Original,
    challenge: Challenge,
    outcome: FederationOutcome,
    number: int,
    partition: int,
    begun: int,
) -> Reproduction:
    before = next(
        item for item in original.rounds[number - 1].clients if item.partition == partition
    )
    after = outcome.client
    if after is None:
        raise RecordError(f"partition {partition} was not replayed; this is a defect")
    name = f"round {number} partition {partition}"
    items = [
        Comparison.of(f"{name} update", after.update_sha256, before.update_sha256),
        Comparison.of_numbers(f"{name} loss", after.train_loss, before.train_loss),
        Comparison.of(f"{name} examples", str(after.examples), str(before.examples)),
    ]
    scope = f"partition {partition} of round {number}, from {_beginning(begun)}"
    return reproduction(None, scope, original, challenge, items)


def _beginning(begun: int) -> str:
    return f"the checkpoint after round {begun}" if begun else "the start"


def reproduction(
    level: Level | None,
    scope: str,
    original: Original,
    challenge: Challenge,
    items: list[Comparison],
) -> Reproduction:
    """Return the verdict on `items`, with this machine's versions.

    Args:
        level: rung that it earns when everything is equal; None for none.
        scope: what was repeated, in words.
        original: what was repeated.
        challenge: whose tolerance is said beside the verdict.
        items: what was compared.
    """
    here = package_versions()
    recorded = original.record.environment.packages if original.record else {}
    return Reproduction(
        level=level,
        scope=scope,
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        spec_digest=digest_of(original.spec),
        items=tuple(items),
        tolerance=challenge.replay_tolerance,
        packages=here,
        other_versions=tuple(
            f"{name} {here.get(name, 'absent')} here, {wanted} there"
            for name, wanted in sorted(recorded.items())
            if here.get(name) != wanted
        ),
    )
