"""Repeat what a record says, or one round or one client of it, and compare.

What repeats is compared by digest, byte for byte. Where the bytes differ and the original tensors
are at hand, the difference is measured; whether it is within the challenge's tolerance is said
beside the verdict, and counts only when the caller asks for it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.challenge import Challenge, load_challenge
from harness.document import (
    digest_of,
    parse_document,
    pretty_json,
    read_document,
    read_json,
    sha256_file,
    write_atomic,
)
from harness.environment import package_versions, require_run_extra
from harness.errors import RecordError, UsageError
from harness.federation import checkpoint, kept
from harness.federation.comparison import Comparison, Reproduction, compare_tensors, equal_items
from harness.federation.engine import federate
from harness.federation.ledger import FILE as ROUNDS
from harness.federation.ledger import Ledger
from harness.federation.options import FederationOutcome, Options
from harness.record import ResultRecord, RoundRecord, Scores, migrate
from harness.sources.assets import Assets, locate
from harness.spec import RunSpec

WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Original:
    """What is to be repeated."""

    folder: Path
    spec: RunSpec
    rounds: tuple[RoundRecord, ...]
    record: ResultRecord | None
    """None for a run that has no result yet."""

    def tensors(self, number: int) -> Path | None:
        """Return a file with the aggregate of round `number`, if one was kept."""
        places = [self.folder / f"adapter_round_{number}" / WEIGHTS]
        if number == self.spec.train.rounds:
            places.insert(0, self.folder / "adapter" / WEIGHTS)
        places.append(checkpoint.path_of(self.folder, number))
        return next((path for path in places if path.is_file()), None)


def read_original(path: Path) -> Original:
    """Read a result file, a submission folder or a run directory.

    Raises:
        RecordError: there is no result and no run there.
    """
    folder = path.parent if path.is_file() else path
    result = path if path.is_file() else path / "result.json"
    if result.is_file():
        value = migrate(read_json(result), str(result))
        record = parse_document(ResultRecord, value, str(result))
        return Original(folder, record.spec, record.federation.rounds, record)
    if (folder / "spec.json").is_file():
        spec = read_document(RunSpec, folder / "spec.json")
        return Original(folder, spec, tuple(Ledger(folder).rounds), None)
    raise RecordError(f"{path}: no result.json and no spec.json; expected a result or a run")


def reproduce(
    path: Path,
    work_dir: Path,
    number: int | None = None,
    client: int | None = None,
    mirror: Path | None = None,
    options: Options | None = None,
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

    Raises:
        UsageError: no such round or client.
        RecordError: the data here are not what the record was made with.
        HarnessError: what a run raises.
    """
    require_run_extra()
    original = read_original(path)
    if client is not None and number is None:
        raise UsageError("--client needs --round: a client trains in one round")
    if number is not None and not 1 <= number <= len(original.rounds):
        raise UsageError(f"--round {number}: the record has rounds 1..{len(original.rounds)}")
    spec, challenge = original.spec, _challenge(original)
    assets = locate(spec, challenge, mirror)
    _refuse_other_data(original, assets)
    how = options or Options()
    if number is None:
        return _whole(original, challenge, assets, work_dir, how)
    seed_from_checkpoint(original.folder, work_dir, number - 1)
    if client is None:
        federate(spec, challenge, assets, work_dir, how.with_values(until=number))
        return _compare_round(original, challenge, work_dir, number)
    if number - 1 > len(Ledger(work_dir).rounds):
        federate(spec, challenge, assets, work_dir, how.with_values(until=number - 1))
    outcome = federate(spec, challenge, assets, work_dir, how.with_values(only=client))
    return _compare_client(original, outcome, number, client)


def seed_from_checkpoint(folder: Path, work_dir: Path, number: int) -> int:
    """Copy the newest checkpoint up to round `number`, and what belongs to it, into `work_dir`.

    Returns:
        The round of that checkpoint, 0 when the repetition begins at the start.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    if any(work_dir.iterdir()):
        raise UsageError(f"{work_dir} is not empty; choose another --out")
    for candidate in checkpoint.rounds_on_disk(folder):
        if candidate > number:
            continue
        try:
            checkpoint.load(checkpoint.path_of(folder, candidate))
        except RecordError:
            continue
        target = checkpoint.path_of(work_dir, candidate)
        target.parent.mkdir(parents=True)
        shutil.copyfile(checkpoint.path_of(folder, candidate), target)
        lines = (folder / ROUNDS).read_text("utf-8").splitlines(keepends=True)[:candidate]
        write_atomic(work_dir / ROUNDS, "".join(lines))
        if (folder / kept.FOLDER).is_dir():
            shutil.copytree(folder / kept.FOLDER, work_dir / kept.FOLDER)
        return candidate
    return 0


def _challenge(original: Original) -> Challenge:
    challenge = load_challenge(original.spec.challenge.id)
    if digest_of(challenge) != original.spec.challenge.digest:
        raise RecordError(
            f"{original.folder}: run under {challenge.id} {original.spec.challenge.digest[:12]},"
            f" this harness has {digest_of(challenge)[:12]}; install the version that made it"
        )
    return challenge


def _refuse_other_data(original: Original, assets: Assets) -> None:
    recorded = original.record.data if original.record else ()
    if not recorded and (original.folder / "assets.json").is_file():
        recorded = read_document(Assets, original.folder / "assets.json").data
    expected = {item.name: item.sha256 for item in recorded}
    for item in assets.data:
        if expected.get(item.name, item.sha256) != item.sha256:
            raise RecordError(
                f"{item.name} is {item.sha256[:12]} here, the record was made with"
                f" {expected[item.name][:12]}; provide the same files"
            )


def _whole(
    original: Original, challenge: Challenge, assets: Assets, work_dir: Path, options: Options
) -> Reproduction:
    spec = original.spec
    write_atomic(work_dir / "spec.json", pretty_json(spec.model_dump(mode="json")))
    write_atomic(work_dir / "assets.json", pretty_json(assets.model_dump(mode="json")))
    outcome = federate(spec, challenge, assets, work_dir, options)
    items = [
        item
        for before, after in zip(original.rounds, outcome.rounds, strict=False)
        for item in equal_items(before, after)
    ]
    adapter = work_dir / "adapter" / WEIGHTS
    if original.record is not None:
        expected = original.record.adapter.sha256
        items.append(Comparison.of("adapter", sha256_file(adapter), expected))
        items.extend(_scores(original.record, work_dir, spec, options))
    last = spec.train.rounds
    items.extend(compare_tensors(f"adapter of round {last}", adapter, original.tensors(last)))
    return _reproduction("re-run", original, challenge, items)


def _scores(
    record: ResultRecord, work_dir: Path, spec: RunSpec, options: Options
) -> list[Comparison]:
    from harness.evaluation.launch import evaluate_run

    evaluate_run(work_dir, device=spec.compute.device, quiet=options.quiet)
    again = {
        (item.task, item.metric): item
        for item in read_document(Scores, work_dir / "scores.json").scores
    }
    items = []
    for score in record.scores:
        found = again.get((score.task, score.metric))
        name = score.task if score.metric == "accuracy" else f"{score.task} {score.metric}"
        text = f"{found.correct}/{found.examples}" if found else "no score"
        items.append(Comparison.of(name, text, f"{score.correct}/{score.examples}"))
    return items


def _compare_round(
    original: Original, challenge: Challenge, work_dir: Path, number: int
) -> Reproduction:
    after = Ledger(work_dir).rounds[number - 1]
    items = equal_items(original.rounds[number - 1], after)
    path = checkpoint.path_of(work_dir, number)
    items.extend(compare_tensors(f"adapter of round {number}", path, original.tensors(number)))
    return _reproduction("round-replayed", original, challenge, items)


def _compare_client(
    original: Original, outcome: FederationOutcome, number: int, partition: int
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
    return _reproduction(None, original, _challenge(original), items)


def _reproduction(
    level: str | None, original: Original, challenge: Challenge, items: list[Comparison]
) -> Reproduction:
    here = package_versions()
    recorded = original.record.environment.packages if original.record else {}
    return Reproduction(
        level=level,
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
