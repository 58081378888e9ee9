"""What a strategy's train messages must be."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from harness.components import RoundPlan
from harness.errors import PluginError
from harness.federation.wire.names import ARRAYS_RECORD, CONFIG_RECORD, TRAIN
from harness.federation.wire.records import records_in
from harness.federation.wire.tensors import difference, to_tensors

ROUND_KEY = "server-round"
"""Config key that Flower's strategies always set. Source: flwr 1.41 `FedAvg.configure_train`."""


def check_messages(
    messages: list[Message],
    partition_of: Mapping[int, int],
    plan: RoundPlan,
    read_keys: frozenset[str],
    number: int,
) -> dict[int, RecordDict]:
    """Check the messages of one round against its plan.

    Args:
        messages: what the strategy wants to send.
        partition_of: node id -> partition.
        plan: what the round moves.
        read_keys: config keys that the strategy's client part reads.
        number: the round, for messages.

    Returns:
        Partition -> content, ascending.

    Raises:
        PluginError: another message type, a client twice, an unknown node, other tensors than the
            plan declares, or a config key that nothing reads.
    """
    wanted: dict[int, RecordDict] = {}
    for message in messages:
        kind, node = message.metadata.message_type, message.metadata.dst_node_id
        if kind != TRAIN:
            raise PluginError(f"the strategy sent a {kind!r} message; only {TRAIN!r} is allowed")
        if node not in partition_of or partition_of[node] in wanted:
            raise PluginError(
                "the strategy sent two messages to one client or to an unknown node; sample"
                " distinct nodes of the grid"
            )
        wanted[partition_of[node]] = message.content
    seen: set[int] = set()
    for partition, content in wanted.items():
        if id(content) not in seen:  # Flower's strategies send one and the same content to all
            seen.add(id(content))
            _check_content(content, plan, read_keys, f"message to partition {partition}", number)
    return dict(sorted(wanted.items()))


def _check_content(
    content: RecordDict, plan: RoundPlan, read_keys: frozenset[str], where: str, number: int
) -> None:
    records = records_in(content, ArrayRecord)
    if list(records) != [ARRAYS_RECORD]:
        raise PluginError(
            f"{where} in round {number} holds array records {sorted(records)};"
            f" expected one, {ARRAYS_RECORD!r}"
        )
    arrays = to_tensors(records[ARRAYS_RECORD])
    if set(arrays) == set(plan.down):
        arrays = {name: arrays[name] for name in plan.down}
    problem = difference(arrays, plan.down)
    if problem:
        raise PluginError(f"{where} in round {number}: {problem}; the plan's `down` says what goes")
    unread = set(records_in(content, ConfigRecord).get(CONFIG_RECORD, {})) - {ROUND_KEY} - read_keys
    if unread:
        raise PluginError(
            f"the strategy sends {sorted(unread)} to its clients and nothing reads it; name it in"
            " the local objective's `reads`, or do not send it"
        )


def count_bytes(content: RecordDict) -> int:
    """Return the bytes of a message's tensors: 4 * numel + 128 + len(key) each.

    Source: flwr 1.41 `ArrayRecord.count_bytes`.
    """
    return sum(int(record.count_bytes()) for record in records_in(content, ArrayRecord).values())
