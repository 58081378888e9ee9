"""Rules on the federation: supernodes, sampled partitions, weights, losses, learning rates."""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose

from harness.document import canonical_json, sha256_text
from harness.sampling import sampled_partitions
from harness.schedule import learning_rate
from harness.verify.rule import Breach, Rule
from harness.verify.subject import Subject

LOSS_TOLERANCE = 1e-9
"""Relative: a weighted mean of a few floats in another order of summing."""


def supernodes(subject: Subject) -> Iterator[Breach]:
    """The number of supernodes is the challenge's."""
    found, expected = subject.record.federation.num_supernodes, subject.challenge.num_supernodes
    if found != expected:
        yield "federation.num_supernodes", found, expected


def roster(subject: Subject) -> Iterator[Breach]:
    """The supernodes answered with exactly the partitions 0..n-1."""
    expected = sha256_text(canonical_json(list(range(subject.challenge.num_supernodes))))
    found = subject.record.federation.roster_sha256
    if found != expected:
        yield "federation.roster_sha256", found, expected


def rounds(subject: Subject) -> Iterator[Breach]:
    """The rounds are 1, 2 ... to the number that the spec asks for."""
    found = [item.round for item in subject.record.federation.rounds]
    expected = subject.record.spec.train.rounds
    if found != list(range(1, expected + 1)):
        yield "federation.rounds", f"rounds {found}", f"1..{expected}, each once"


def sampling(subject: Subject) -> Iterator[Breach]:
    """Each round trained the partitions that the seed prescribes."""
    spec = subject.record.spec
    total = subject.challenge.num_supernodes
    clients = subject.challenge.clients_per_round(spec.train.fraction)
    for index, item in enumerate(subject.record.federation.rounds):
        expected = sampled_partitions(spec.seed, item.round, total, clients)
        if item.partitions != expected:
            yield f"federation.rounds[{index}].partitions", item.partitions, expected


def clients(subject: Subject) -> Iterator[Breach]:
    """Every sampled partition replied, once."""
    for index, item in enumerate(subject.record.federation.rounds):
        found = tuple(client.partition for client in item.clients)
        if found != item.partitions:
            yield f"federation.rounds[{index}].clients", found, item.partitions


def examples(subject: Subject) -> Iterator[Breach]:
    """A client's weight is the size of its partition."""
    for index, item in enumerate(subject.record.federation.rounds):
        for client in item.clients:
            expected = partition_rows(subject, client.partition)
            if client.examples != expected:
                place = f"federation.rounds[{index}], partition {client.partition}: examples"
                yield place, client.examples, expected


def partition_rows(subject: Subject, partition: int) -> int:
    """Return the rows of a partition: contiguous shards, the first ones a row longer.

    Source: flwr-datasets `IidPartitioner` (`Dataset.shard(contiguous=True)`).
    """
    total = subject.challenge.dataset.pin.rows
    if subject.record.spec.smoke:
        from harness.smoke import TRAINING_ROWS

        total = TRAINING_ROWS
    size, longer = divmod(total, subject.challenge.num_supernodes)
    return size + (1 if partition < longer else 0)


def mean_loss(subject: Subject) -> Iterator[Breach]:
    """A round's loss is the mean of its clients' weighted by examples."""
    for index, item in enumerate(subject.record.federation.rounds):
        weight = sum(client.examples for client in item.clients)
        if not weight:
            continue
        total = sum(client.train_loss * client.examples for client in item.clients)
        if not isclose(item.train_loss, total / weight, rel_tol=LOSS_TOLERANCE, abs_tol=1e-12):
            yield f"federation.rounds[{index}].train_loss", item.train_loss, total / weight


def rates(subject: Subject) -> Iterator[Breach]:
    """Each round's learning rate is the schedule's."""
    train = subject.record.spec.train
    for index, item in enumerate(subject.record.federation.rounds):
        expected = learning_rate(train, item.round)
        if not isclose(item.learning_rate, expected, rel_tol=1e-12):
            yield f"federation.rounds[{index}].learning_rate", item.learning_rate, expected


SELECTING = ("standard/krum", "standard/multikrum")
"""Strategies whose aggregate may be one client's update."""


def losses_move(subject: Subject) -> Iterator[Breach]:
    """Training changed something: no update is repeated and losses are not negative."""
    seen: dict[str, str] = {}
    for item in subject.record.federation.rounds:
        digests = [(f"partition {c.partition}", c.update_sha256) for c in item.clients]
        for label, digest in [*digests, ("aggregate", item.aggregate_sha256)]:
            place = f"round {item.round}, {label}"
            first = seen.setdefault(digest, place)
            one = len(item.clients) == 1 or subject.record.spec.strategy.name in SELECTING
            if first != place and not (label == "aggregate" and one):
                yield place, f"the tensors of {first}", "tensors of its own"
        for client in item.clients:
            if client.train_loss < 0:
                yield f"round {item.round}, partition {client.partition}", client.train_loss, ">= 0"


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
    Rule("train-loss", "A round's loss is its clients' weighted mean", "flwr FedAvg", mean_loss),
    Rule("learning-rate", "The learning rate is the schedule's",
         "template models.py: cosine annealing over rounds", rates),
    Rule("updates-differ", "No update occurs twice", "harness record format", losses_move),
)  # fmt: skip
