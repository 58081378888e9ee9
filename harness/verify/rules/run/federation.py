"""Rules on the federation: supernodes, sampled partitions, weights, losses, learning rates."""

from __future__ import annotations

from collections.abc import Iterator
from math import copysign, isclose

from harness.boards.partitioner import Partitioner
from harness.document import canonical_json, sha256_text
from harness.planning.sampling import sampled_partitions
from harness.planning.schedule import learning_rate
from harness.verify.independent.round_messages import moves
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

LOW_RANK = tuple(
    f"standard/{name}" for name in ("lora", "dora", "rslora", "ffa-lora", "pissa", "olora")
)
"""PEFT methods with factors A and B."""

MAX_PRODUCT_ERROR = 2.0**30
"""Source: its two norms are of products of float32 factors, each a sum of squares in float64, which
is known to 2^-53 of what is added. So a sum that is not all rounding is at least that share of the
other, and the root of the ratio at most 2^26.5; the rest is for how many terms a sum has."""

LOSS_TOLERANCE = 1e-9
"""Relative: a weighted mean of a few floats in another order of summing."""


def supernodes(submission: Submission) -> Iterator[Breach]:
    """The number of supernodes is the challenge's."""
    found, expected = (
        submission.record.federation.num_supernodes,
        submission.challenge.num_supernodes,
    )
    if found != expected:
        yield "federation.num_supernodes", found, expected


def roster(submission: Submission) -> Iterator[Breach]:
    """The supernodes answered with exactly the partitions 0..n-1."""
    expected = sha256_text(canonical_json(list(range(submission.challenge.num_supernodes))))
    found = submission.record.federation.roster_sha256
    if found != expected:
        yield "federation.roster_sha256", found, expected


def rounds(submission: Submission) -> Iterator[Breach]:
    """The rounds are 1, 2 ... to the number that the spec asks for."""
    found = [item.round for item in submission.record.federation.rounds]
    expected = submission.record.spec.train.rounds
    if found != list(range(1, expected + 1)):
        yield "federation.rounds", f"rounds {found}", f"1..{expected}, each once"


def sampling(submission: Submission) -> Iterator[Breach]:
    """Each round trained the partitions that the seed prescribes."""
    spec = submission.record.spec
    total = submission.challenge.num_supernodes
    clients = submission.challenge.clients_per_round(spec.train.fraction)
    for index, item in enumerate(submission.record.federation.rounds):
        expected = sampled_partitions(spec.seed, item.round, total, clients)
        if item.partitions != expected:
            yield f"federation.rounds[{index}].partitions", item.partitions, expected


def clients(submission: Submission) -> Iterator[Breach]:
    """Every sampled partition replied, once."""
    for index, item in enumerate(submission.record.federation.rounds):
        found = tuple(client.partition for client in item.clients)
        if found != item.partitions:
            yield f"federation.rounds[{index}].clients", found, item.partitions


def examples(submission: Submission) -> Iterator[Breach]:
    """A client's weight is the size of its partition."""
    for index, item in enumerate(submission.record.federation.rounds):
        for client in item.clients:
            expected = partition_rows(submission, client.partition)
            if client.examples != expected:
                place = f"federation.rounds[{index}], partition {client.partition}: examples"
                yield place, client.examples, expected


def partition_rows(submission: Submission, partition: int) -> int:
    """Return the rows of a partition: contiguous shards, the first ones a row longer.

    Of an open run they stand on the record, since they may follow from every row's label.

    Source: flwr-datasets `IidPartitioner` (`Dataset.shard(contiguous=True)`).
    """
    listed = listed_partitions(submission)
    if listed is not None:
        return listed[partition] if partition < len(listed) else 0
    total = submission.challenge.dataset.pin.rows
    for item in submission.record.data:
        if item.kind == "training" and item.notes and item.rows:
            # Other data than the challenge's: not eligible, and its own partitions are compared.
            total = item.rows
    if submission.record.spec.smoke:
        total = submission.protocol.smoke_training_rows
    size, longer = divmod(total, submission.challenge.num_supernodes)
    return size + (1 if partition < longer else 0)


def listed_partitions(submission: Submission) -> tuple[int, ...] | None:
    """Return the rows of each partition as an open run lists them; None of a closed one."""
    if submission.record.spec.open is None:
        return None
    training = [item for item in submission.record.data if item.kind == "training"]
    return next((item.partition_rows for item in training if item.partition_rows), ())


def partitions(submission: Submission) -> Iterator[Breach]:
    """An open run lists the rows of each partition, which are together those of its data."""
    listed, place = listed_partitions(submission), "data: partition_rows"
    if listed is None:
        for item in submission.record.data:
            if item.partition_rows is not None:
                yield place, f"{len(item.partition_rows)} partitions", "none in the closed division"
        return
    rules = submission.challenge
    rows = sum(item.rows or 0 for item in submission.record.data if item.kind == "training")
    if len(listed) != rules.num_supernodes:
        yield place, f"{len(listed)} partitions", f"{rules.num_supernodes} supernodes"
    elif min(listed) < 1 or sum(listed) > rows:
        yield (
            place,
            f"{sum(listed):,} rows, {min(listed):,} at least",
            f"at most {rows:,}, 1 at least",
        )
    elif isinstance(rules.partitioner, Partitioner):
        size, longer = divmod(rows, rules.num_supernodes)
        expected = [size + (index < longer) for index in range(len(listed))]
        if list(listed) != expected:
            yield place, list(listed)[:10], f"contiguous shards of {rows:,} rows: {expected[:10]}"


def client_ranks(submission: Submission) -> Iterator[Breach]:
    """Clients that have ranks of their own have one each, the adapter's at most."""
    spec = submission.record.spec
    place, ranks = "spec.client_ranks", spec.client_ranks
    if (ranks is None) is not (spec.extensions.ranks is None):
        found = "none" if ranks is None else f"{len(ranks)} ranks"
        yield place, found, "ranks exactly where spec.extensions.ranks names their component"
    elif ranks is not None:
        total, most = submission.challenge.num_supernodes, spec.peft.params.get("r")
        if len(ranks) != total:
            yield place, f"{len(ranks)} ranks", f"{total}, one for each supernode"
        if type(most) is not int or max(ranks, default=1) > most:
            yield place, f"rank {max(ranks, default=1)}", f"at most the adapter's: {most}"


def mean_loss(submission: Submission) -> Iterator[Breach]:
    """A round's loss is the mean of its clients' weighted by examples."""
    for index, item in enumerate(submission.record.federation.rounds):
        weight = sum(client.examples for client in item.clients)
        if not weight:
            continue
        total = sum(client.train_loss * client.examples for client in item.clients)
        if not isclose(item.train_loss, total / weight, rel_tol=LOSS_TOLERANCE, abs_tol=1e-12):
            yield f"federation.rounds[{index}].train_loss", item.train_loss, total / weight


def rates(submission: Submission) -> Iterator[Breach]:
    """Each round's learning rate is the schedule's."""
    train = submission.record.spec.train
    for index, item in enumerate(submission.record.federation.rounds):
        expected = learning_rate(train, item.round)
        if not isclose(item.learning_rate, expected, rel_tol=1e-12):
            yield f"federation.rounds[{index}].learning_rate", item.learning_rate, expected


KRUM = "standard/krum"
SELECTING = (KRUM, "standard/multikrum")
"""Strategies whose aggregate may be one client's update. Source: https://arxiv.org/abs/1703.02757
"""


def losses_move(submission: Submission) -> Iterator[Breach]:
    """Training changed something: no update is repeated and losses are not negative."""
    name = submission.record.spec.strategy.name
    seen = {submission.record.adapter.sha256: "the adapter's file"}
    for item in submission.record.federation.rounds:
        updates = [client.update_sha256 for client in item.clients]
        for client in item.clients:
            place = f"round {item.round}, partition {client.partition}"
            first = seen.setdefault(client.update_sha256, place)
            if first != place:
                yield place, f"the tensors of {first}", "tensors of its own"
            if client.train_loss < 0:
                yield place, client.train_loss, ">= 0"
        place = f"round {item.round}, aggregate"
        if item.aggregate_sha256 in updates:
            if len(updates) > 1 and name not in SELECTING:
                yield place, "the tensors of one client", f"what {name} makes of {len(updates)}"
            seen.setdefault(item.aggregate_sha256, place)
            continue
        first = seen.setdefault(item.aggregate_sha256, place)
        if first != place:
            yield place, f"the tensors of {first}", "tensors of its own"
        elif name == KRUM and item.message_bytes_up is None:
            yield place, "the tensors of no client", "one client's of this round: Krum selects"


def product_errors(submission: Submission) -> Iterator[Breach]:
    """The error of averaging factors is there exactly where clients returned factors."""
    for item in submission.record.federation.rounds:
        place, found = (
            f"federation.rounds[{item.round - 1}].aggregation_error",
            (item.aggregation_error),
        )
        if found is not None and (copysign(1, found) < 0 or found > MAX_PRODUCT_ERROR):
            yield place, found, f"0 to {MAX_PRODUCT_ERROR:g}"
        expected = _has_product_error(submission, item.round)
        if expected is not None and expected is not (found is not None):
            yield place, found, "a number: clients return A and B" if expected else "null"
        elif found and _is_exact(submission, item.round):
            yield place, found, "0: all clients hold the same other factor"


def _has_product_error(submission: Submission, number: int) -> bool | None:
    """Whether every client's A and B of `number` are at hand; None where that is not known."""
    spec = submission.record.spec
    if moves(submission, number) is None:
        return None
    if spec.peft.name not in LOW_RANK:
        return False
    return spec.strategy.name != "standard/fedsa-lora" or number == spec.train.rounds


def _is_exact(submission: Submission, number: int) -> bool:
    spec = submission.record.spec
    frozen = "standard/ffa-lora" in (spec.peft.name, spec.strategy.name)
    return moves(submission, number) is not None and (
        frozen or spec.strategy.name in ("standard/rolora", "federated-lora/fedsvd")
    )


RULES = (
    Rule("supernodes", "The number of supernodes is the challenge's",
         "template README: num-supernodes may not be modified", supernodes),
    Rule("roster", "The supernodes are partitions 0..n-1", "template README, flwr-datasets",
         roster),
    Rule("rounds", "All rounds of the spec, in order", "harness record format", rounds),
    Rule("sampling", "The seed's partitions trained", "flwr sample_nodes, seeded by the harness",
         sampling),
    Rule("clients", "Every sampled client is in the average", "flwr FedAvg; the harness fails"
         " a round otherwise", clients),
    Rule("examples", "Weights are the partitions' sizes", "flwr-datasets IidPartitioner", examples),
    Rule("partitions", "An open run lists its partitions", "flwr-datasets", partitions),
    Rule("client-ranks", "Clients have ranks where the spec names their component",
         "harness record format", client_ranks),
    Rule("train-loss", "A round's loss is its clients' weighted mean", "flwr FedAvg", mean_loss),
    Rule("learning-rate", "The learning rate is the schedule's",
         "template models.py: cosine annealing over rounds", rates),
    Rule("updates-differ", "No update occurs twice", "harness record format", losses_move),
    Rule("aggregation-error", "Averaging factors has an error where factors are averaged",
         "harness record format", product_errors),
)  # fmt: skip
