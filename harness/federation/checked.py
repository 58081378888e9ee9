"""What a child that loads plugins says of its federation, checked again where no plugin is loaded.

The chain of the rounds, who was sampled, weighted losses, learning rates, the limit of bytes and
the adapter's tensors follow from other values, and are derived here a second time. What a client
returned is gone by now: its digest, bytes, loss, examples and attempts, and the aggregation error,
stand on the record as the server's process gave them. `harness reproduce` checks those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose
from pathlib import Path

from harness.boards.challenge import Challenge
from harness.document import canonical_json, read_json, sha256_text
from harness.errors import FederationError
from harness.federation.job import Job
from harness.federation.options import Options
from harness.federation.wire.tensors import digest_arrays
from harness.planning.sampling import sampled_partitions
from harness.planning.schedule import learning_rate
from harness.record.federation import RoundRecord
from harness.record.file_names import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS
from harness.verify.independent.round_messages import growth
from harness.verify.report import shown
from harness.verify.rules.run.adapter_config import at_odds

CLOSE = 1e-9
"""Relative: a weighted mean of a few floats in another order of summing."""


def expected_roster(challenge: Challenge) -> str:
    """Return the digest of the partitions of all supernodes, 0..n-1."""
    return sha256_text(canonical_json(list(range(challenge.num_supernodes))))


def check_rounds(job: Job, options: Options, rounds: Sequence[RoundRecord]) -> None:
    """Check rounds that a child has written; their chain was checked when they were read.

    Raises:
        FederationError: they are not what the spec, the challenge or themselves say.
    """
    wanted = min(options.until or job.spec.train.rounds, job.spec.train.rounds)
    if options.only is None and len(rounds) < wanted:
        raise _wrong("rounds", len(rounds), wanted)
    total = sum(item.bytes_down + item.bytes_up for item in rounds)
    if total > job.challenge.communication.limit_bytes:
        raise _wrong("bytes", total, f"at most {job.challenge.communication.limit_bytes}")
    for item in rounds:
        for name, found, expected in _faults(job, item):
            raise _wrong(f"{name} of round {item.round}", found, expected)


def _faults(job: Job, item: RoundRecord) -> Iterator[tuple[str, object, object]]:
    clients = job.challenge.clients_per_round(job.spec.train.fraction)
    sampled = sampled_partitions(job.spec.seed, item.round, job.challenge.num_supernodes, clients)
    if item.partitions != sampled:
        yield "partitions", item.partitions, sampled
    trained = tuple(client.partition for client in item.clients)
    if trained != sampled:
        yield "clients", trained, sampled
    rate = learning_rate(job.spec.train, item.round)
    if not isclose(item.learning_rate, rate, rel_tol=CLOSE):
        yield "learning rate", item.learning_rate, rate
    up = sum(client.bytes_up for client in item.clients)
    if item.bytes_up != up:
        yield "bytes up", item.bytes_up, up
    weight = sum(client.examples for client in item.clients)
    loss = sum(client.examples * client.train_loss for client in item.clients) / weight
    if not isclose(item.train_loss, loss, rel_tol=CLOSE, abs_tol=1e-12):
        yield "training loss", item.train_loss, loss


def check_adapter(job: Job, run_dir: Path, rounds: Sequence[RoundRecord]) -> None:
    """Check that a finished run's adapter holds the tensors of its last round, as the spec says.

    Raises:
        FederationError: it holds others or another configuration, or cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = run_dir / ADAPTER / ADAPTER_WEIGHTS
    try:
        found = digest_arrays(load_file(path))
    except (OSError, SafetensorError, ValueError) as error:
        raise FederationError(f"{path}: no readable adapter ({error}); resume the run") from None
    if found != rounds[-1].aggregate_sha256:
        raise _wrong("digest of the adapter's tensors", found, rounds[-1].aggregate_sha256)
    config = read_json(run_dir / ADAPTER / ADAPTER_CONFIG)
    if not isinstance(config, dict):
        raise _wrong(ADAPTER_CONFIG, shown(config), "an object")
    grown = growth(job.spec, job.challenge)
    for setting, value, expected in at_odds(config, job.spec.peft, job.spec.model.hub_id, grown):
        raise _wrong(f"{setting} of {ADAPTER_CONFIG}", shown(value), expected)


def _wrong(what: str, found: object, expected: object) -> FederationError:
    return FederationError(
        f"{what} is {found} where {expected} follows; the process that loads the plugins wrote"
        " something else than it did: run again without that plugin"
    )
