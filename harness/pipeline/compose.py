"""The last stage: everything measured in a run directory becomes one ResultRecord."""

from __future__ import annotations

import secrets
import shlex
from datetime import UTC, datetime
from pathlib import Path

from harness.document import digest_of, read_document, sha256_file
from harness.document.safetensors_header import read_header
from harness.errors import RecordError
from harness.federation.job import Job
from harness.federation.options import FederationOutcome
from harness.machine.versions import environment
from harness.pipeline.privacy import privacy_of
from harness.planning.eligibility import ineligible_because
from harness.planning.forecast import message_bytes, message_bytes_legacy
from harness.planning.whose_code import own_code
from harness.processes.import_paths import foreign_modules
from harness.recipe import Price
from harness.record.federation import CommunicationRecord, Federation
from harness.record.file_names import ADAPTER, ADAPTER_WEIGHTS, ISOLATION
from harness.record.isolation import Isolation
from harness.record.machine import energy_of
from harness.record.result import AdapterRecord, Cost, ResultRecord, TensorShape
from harness.record.score import Scores, average
from harness.run_directory import read_energy, read_timing

SECONDS_PER_HOUR = 3600


def compose(job: Job, outcome: FederationOutcome, scores: Scores, run_dir: Path) -> ResultRecord:
    """Return the record of a finished run.

    Args:
        job: the run, its challenge and the files that it read.
        outcome: what the federation gave.
        scores: what the evaluation gave.
        run_dir: where the adapter and the stages' times lie.

    Raises:
        RecordError: the scores are of another adapter, or the adapter file is unreadable.
    """
    spec, challenge, assets = job.spec, job.challenge, job.assets
    adapter = adapter_record(run_dir / ADAPTER / ADAPTER_WEIGHTS)
    if scores.adapter_sha256 != adapter.sha256:
        raise RecordError(
            f"{run_dir}: scores.json is of adapter {str(scores.adapter_sha256)[:12]}, the run's is"
            f" {adapter.sha256[:12]}; run: harness evaluate {shlex.quote(str(run_dir))}"
        )
    whole = {item.name: item.shape for item in adapter.tensors}
    env = environment(outcome.device, foreign_modules(), scores.startup_sha256)
    reasons = ineligible_because(spec, challenge, assets.data, env)
    timing = read_timing(run_dir)
    now = datetime.now(UTC)
    return ResultRecord(
        run_id=f"{now:%Y%m%dT%H%M%SZ}-{digest_of(spec)[:8]}-{secrets.token_hex(3)}",
        created=now.isoformat(timespec="seconds"),
        eligible=not reasons,
        ineligible_because=reasons,
        challenge=spec.challenge,
        spec_digest=digest_of(spec),
        spec=spec,
        federation=Federation(
            num_supernodes=challenge.num_supernodes,
            roster_sha256=outcome.roster_sha256,
            rounds=tuple(outcome.rounds),
        ),
        communication=CommunicationRecord(
            bytes_total=sum(item.bytes_down + item.bytes_up for item in outcome.rounds),
            limit_bytes=challenge.communication.limit_bytes,
            message_bytes=message_bytes(whole),
            message_bytes_legacy=message_bytes_legacy(whole),
        ),
        privacy=privacy_of(
            spec,
            [[client.examples for client in item.clients] for item in outcome.rounds],
            challenge.num_supernodes,
        ),
        adapter=adapter,
        scores=scores.scores,
        average=average(scores.scores),
        timing=timing,
        cost=cost(spec.price, timing),
        energy=energy_of(read_energy(run_dir)),
        environment=env,
        plugins=spec.plugins,
        own_code=own_code(spec),
        data=assets.data,
        isolation=read_document(Isolation, run_dir / ISOLATION),
    )


def adapter_record(path: Path) -> AdapterRecord:
    """Return digest, size and shapes of an adapter file, read from its header."""
    header = read_header(path)
    return AdapterRecord(
        sha256=sha256_file(path),
        parameters=sum(item.numel for item in header.tensors.values()),
        file_bytes=path.stat().st_size,
        tensors=tuple(
            TensorShape(name=name, shape=shape) for name, shape in sorted(header.shapes.items())
        ),
    )


def cost(price: Price | None, timing: dict[str, float]) -> Cost | None:
    """Derive the cost of a run: price per hour times the hours of all stages."""
    if price is None:
        return None
    per_hour = sum(price.per_hour.values())
    hours = sum(timing.values()) / SECONDS_PER_HOUR
    return Cost(
        currency=price.currency,
        per_hour=round(per_hour, 6),
        hours=round(hours, 6),
        total=round(per_hour * hours, 4),
    )
