"""The training table, shuffled as its challenge says and split by flwr-datasets' partitioners."""

from __future__ import annotations

from typing import Any

from harness.boards.challenge import Challenge
from harness.boards.partitioner import OpenPartitioner
from harness.boards.registry import protocol_of
from harness.errors import SourceError
from harness.library_internals.flower_datasets import partitioners


def read_table(challenge: Challenge, training_file: str | None) -> Any:
    """Return the training table as a `datasets.Dataset`, in the file's order.

    Args:
        challenge: gives the columns.
        training_file: parquet file; None for the synthetic corpus of a smoke run.

    Raises:
        SourceError: the training file cannot be read.
    """
    import datasets

    if training_file is None:
        return datasets.Dataset.from_list(protocol_of(challenge).smoke_training())
    import pyarrow
    import pyarrow.parquet

    names = list(challenge.dataset.columns)
    try:
        table = pyarrow.parquet.read_table(training_file, columns=names)
    except (pyarrow.ArrowException, OSError) as error:
        raise SourceError(f"{training_file}: cannot be read as parquet ({error})") from None
    return datasets.Dataset(datasets.table.InMemoryTable(table))


def partitioned(challenge: Challenge, table: Any) -> Any:
    """Return flwr-datasets' partitioner over a table.

    Args:
        challenge: number of supernodes, partitioner and the shuffle's seed.
        table: as `read_table` returns it.
    """
    # What flwr-datasets' FederatedDataset does with a hub id, done with a local file: shuffle the
    # dictionary of splits with its seed, give the split to the partitioner. A test compares them.
    import datasets

    whole = datasets.DatasetDict({"train": table})
    partitioner = _made(challenge)
    partitioner.dataset = whole.shuffle(seed=challenge.partitioner.shuffle_seed)["train"]
    return partitioner


def partition_rows(challenge: Challenge, training_file: str | None) -> tuple[int, ...]:
    """Return the number of rows of each partition.

    Args:
        challenge: the rules of the run.
        training_file: as for `read_table`.

    Raises:
        SourceError: the training file cannot be read, or cannot be split so.
    """
    partitioner = partitioned(challenge, read_table(challenge, training_file))
    try:
        rows = tuple(
            len(partitioner.load_partition(number)) for number in range(challenge.num_supernodes)
        )
    except (ValueError, RuntimeError, KeyError, IndexError) as error:
        reason = str(error).strip().splitlines()[0] or type(error).__name__
        raise _not_so(challenge, reason) from None
    if not all(rows):
        raise _not_so(challenge, f"partition {rows.index(0)} has no row")
    return rows


def _not_so(challenge: Challenge, reason: str) -> SourceError:
    return SourceError(
        f"{challenge.dataset.name} cannot be split into {challenge.num_supernodes}"
        f" {challenge.partitioner.kind} partitions: {reason}; fewer supernodes, or another"
        " partitioner"
    )


def _made(challenge: Challenge) -> Any:
    kinds = partitioners()
    count, chosen = challenge.num_supernodes, challenge.partitioner
    if not isinstance(chosen, OpenPartitioner):
        return kinds.IidPartitioner(num_partitions=count)
    seed = chosen.shuffle_seed
    if chosen.kind == "dirichlet":
        # One row at least is wanted, not the ten of the default: the sets that are split may be
        # small, and a partition that has none is refused.
        return kinds.DirichletPartitioner(
            num_partitions=count,
            partition_by=chosen.by,
            alpha=chosen.alpha,
            min_partition_size=1,
            seed=seed,
        )
    if chosen.kind == "pathological":
        return kinds.PathologicalPartitioner(
            num_partitions=count,
            partition_by=chosen.by,
            num_classes_per_partition=chosen.classes,
            class_assignment_mode="first-deterministic",
            seed=seed,
        )
    if chosen.kind == "shard":
        return kinds.ShardPartitioner(
            num_partitions=count,
            partition_by=chosen.by,
            num_shards_per_partition=chosen.shards,
            keep_incomplete_shard=True,
            seed=seed,
        )
    by_size = {
        "linear": kinds.LinearPartitioner,
        "square": kinds.SquarePartitioner,
        "exponential": kinds.ExponentialPartitioner,
    }
    return by_size[chosen.kind](num_partitions=count)
