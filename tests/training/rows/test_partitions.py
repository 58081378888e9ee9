"""A partition holds the rows that flwr-datasets gives it; a round takes them in a seeded order."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.boards.challenge import load_challenge
from harness.errors import PluginError
from harness.recipe import TrainSpec
from harness.training.base_model import load_tokenizer
from harness.training.rows.example_order import example_order
from harness.training.rows.examples import count_left_out, tokenise
from harness.training.rows.partitions import Partitions


def test_rows_are_those_of_flowers_federated_data_set(mirror: Path, tmp_path: Path) -> None:
    from flwr_datasets import FederatedDataset
    from flwr_datasets.partitioner import IidPartitioner

    challenge = load_challenge("finance")
    file = mirror / "datasets" / challenge.dataset.name / "train.parquet"
    theirs = FederatedDataset(
        dataset="parquet",
        partitioners={"train": IidPartitioner(num_partitions=50)},
        data_files={"train": str(file)},
        cache_dir=str(tmp_path),
    )
    table = Partitions(challenge, str(file))
    for partition, rows in ((0, 1536), (49, 1535)):
        ours = table.rows(partition)
        assert len(ours) == rows
        assert ours == theirs.load_partition(partition, "train").to_list()


def test_every_row_of_the_corpus_is_in_exactly_one_partition() -> None:
    from harness.boards.registry import protocol_of

    challenge = load_challenge("finance")
    table = Partitions(challenge, None)
    whole = [row for partition in range(50) for row in table.rows(partition)]
    assert sorted(map(str, whole)) == sorted(map(str, protocol_of(challenge).smoke_training()))


def test_rows_left_out_are_counted_alike_over_the_table_and_over_its_partitions(
    tiny_model: Path,
) -> None:
    from harness_tiny import MODEL

    tokenizer = load_tokenizer(MODEL, str(tiny_model))
    challenge = load_challenge("finance")
    table = Partitions(challenge, None)
    whole = [table.rows(partition) for partition in range(50)]
    longest = max(
        len(item.ids)
        for number, rows in enumerate(whole)
        for item in tokenise(rows, TrainSpec(seq_length=4096), tokenizer, number)
    )
    for length in (longest + 1, longest - 3, longest - 6):
        train = TrainSpec(seq_length=length)
        each = [count_left_out(rows, train, tokenizer, n) for n, rows in enumerate(whole)]
        assert table.left_out(train, tokenizer) == (sum(each), sum(map(len, whole)))
    with pytest.raises(PluginError, match=r"partition 0: none of its \d+ rows .* seq_length 8"):
        table.left_out(TrainSpec(seq_length=8), tokenizer)


def test_fixed_order_repeats_and_per_round_order_does_not(make_trainer: object) -> None:
    spec = make_trainer().spec  # type: ignore[operator]
    fixed = spec.with_values(train=spec.train.with_values(data_order="fixed").model_dump())
    assert example_order(fixed, 1, 1, 100) == example_order(fixed, 1, 2, 100)
    assert example_order(fixed, 1, 1, 100) != example_order(fixed, 2, 1, 100)
    assert example_order(spec, 1, 1, 100) != example_order(spec, 1, 2, 100)


def test_a_partition_smaller_than_a_round_is_used_whole_before_it_repeats(
    make_trainer: object,
) -> None:
    spec = make_trainer(max_steps=5, batch_size=4).spec  # type: ignore[operator]
    order = example_order(spec, 0, 1, 8)
    assert len(order) == 20
    assert sorted(order[:8]) == sorted(order[8:16]) == list(range(8))
