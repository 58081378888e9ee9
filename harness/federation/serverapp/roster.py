"""The roster: which Flower node is which partition, asked of every node once."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import ConfigRecord, RecordDict

from harness.document import canonical_json, sha256_text
from harness.document.units import how_many
from harness.errors import RosterError
from harness.federation.job import Job
from harness.federation.serverapp.client_requests import RETRY_PAUSE_S
from harness.federation.serverapp.reply_checks import read_error
from harness.federation.serverapp.transport import SilenceError, Transport
from harness.federation.wire.names import HARNESS_RECORD, QUERY_ROSTER

CONNECT_LIMIT_S = 600.0
"""Longest wait for the supernodes to connect, and again to answer. 50 take 7 s on two idle cores,
and took more than 120 s on two cores that ten other processes wanted."""

ATTEMPTS = 4
"""How often a node is asked whose client process dies. A death costs one, and the processes that
Ray starts in its place can be killed as well."""


def ask_roster(transport: Transport, count: int, job: Job | None) -> dict[int, int]:
    """Ask every node for its partition id.

    Args:
        transport: the way to the nodes.
        count: number of supernodes of the challenge.
        job: what every node checks before it answers: that it has the same harness, plugins, model
            and data. None where all are processes of one machine.

    Returns:
        Partition id -> node id, ascending by partition: exactly 0..count-1.

    Raises:
        RosterError: too few or too many nodes, silent nodes, a partition twice or out of range.
        HarnessError: what a node found in its check, with its partition.
    """
    content = RecordDict()
    if job is not None:
        text = job.canonical_json()
        content[HARNESS_RECORD] = ConfigRecord({"job": text, "job-sha256": sha256_text(text)})
    nodes = transport.wait_for_nodes(count, CONNECT_LIMIT_S)
    if len(nodes) != count:
        raise RosterError(
            f"connected: {how_many(len(nodes), 'supernode')}; the challenge has exactly {count};"
            " start the federation with that number"
        )
    partitions: dict[int, int] = {}
    for attempt in range(1, ATTEMPTS + 1):
        silent: dict[int, str] = {}
        try:
            for node, reply in transport.exchange(
                dict.fromkeys(nodes, content),
                QUERY_ROSTER,
                CONNECT_LIMIT_S,
                at_once=transport.asked_at_once,
            ):
                if reply.has_error():
                    fault = read_error(reply.error.reason or "no reason given")
                    if fault.final is not None:
                        raise fault.final(fault.cause)
                    silent[node] = fault.cause
                    continue
                partition = int(reply.content[HARNESS_RECORD]["partition"])
                if partition in partitions:
                    raise RosterError(
                        f"two supernodes hold partition {partition};"
                        f" expected each of 0..{count - 1} once"
                    )
                partitions[partition] = node
        except SilenceError as error:
            raise RosterError(
                f"{len(error.nodes)} of {count} supernodes did not say their partition within"
                f" {CONNECT_LIMIT_S:.0f} s; check that their ClientApp starts"
            ) from None
        if not silent:
            break
        if attempt == ATTEMPTS:
            cause = next(iter(silent.values()))
            raise RosterError(
                f"{len(silent)} of {count} supernodes could not say their partition in"
                f" {ATTEMPTS} attempts ({cause}); see the cause"
            )
        nodes = list(silent)
        transport.recover()
        transport.pause(RETRY_PAUSE_S)
    if sorted(partitions) != list(range(count)):
        wrong = sorted(set(partitions) - set(range(count)))
        raise RosterError(f"supernodes hold partitions {wrong}; expected exactly 0..{count - 1}")
    return dict(sorted(partitions.items()))


def roster_digest(roster: Mapping[int, int]) -> str:
    """Return the digest of the partition ids, ascending. Node ids are Flower's and not in it."""
    return sha256_text(canonical_json(sorted(roster)))
