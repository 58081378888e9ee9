"""The rows of one partition: flwr-datasets' IID split of the shuffled training set."""

from __future__ import annotations

from typing import Any

from harness.boards.challenge import Challenge
from harness.errors import SourceError
from harness.planning.smoke import training_rows

_KEPT: dict[str | None, Any] = {}
"""Training file -> its rows: an actor reads the file once, not once per partition."""


def load_partition(
    challenge: Challenge, training_file: str | None, partition: int
) -> list[dict[str, str]]:
    """Return the rows of a partition, in the partition's order.

    The same code splits the hub's data and the synthetic corpus of a smoke run.

    Args:
        challenge: supernodes, partitioner and its seed.
        training_file: parquet file; None for the synthetic corpus.
        partition: from 0 to `num_supernodes - 1`.

    Raises:
        SourceError: the file cannot be read.
    """
    rows = _KEPT.get(training_file)
    if rows is None:
        rows = _KEPT[training_file] = _read(training_file, challenge)
    part = _partitioner(challenge, rows).load_partition(partition)
    columns = [part[name] for name in challenge.dataset.columns]
    return [
        dict(zip(challenge.dataset.columns, values, strict=True))
        for values in zip(*columns, strict=True)
    ]


def _partitioner(challenge: Challenge, rows: Any) -> Any:
    # What flwr-datasets' FederatedDataset does with a hub id, done with a local file: shuffle the
    # dictionary of splits with its seed, give the split to the partitioner. A test compares them.
    import datasets
    from flwr_datasets.partitioner import IidPartitioner

    whole = datasets.DatasetDict({"train": rows})
    partitioner = IidPartitioner(num_partitions=challenge.num_supernodes)
    partitioner.dataset = whole.shuffle(seed=challenge.partitioner.shuffle_seed)["train"]
    return partitioner


def _read(training_file: str | None, challenge: Challenge) -> Any:
    import datasets

    if training_file is None:
        return datasets.Dataset.from_list(training_rows(challenge))
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(training_file, columns=list(challenge.dataset.columns))
    except (pyarrow.ArrowException, OSError) as error:
        raise SourceError(f"{training_file}: cannot be read as parquet ({error})") from None
    return datasets.Dataset(datasets.table.InMemoryTable(table))
