"""The same spec gives the same bytes, whatever order clients finish in."""

from __future__ import annotations

import random
from pathlib import Path

from local_grid import LocalGrid
from served import serve
from tiny_run import TinyRun, tiny_run

from harness.document import sha256_file
from harness.record.federation import GENESIS

WEIGHTS = "adapter/adapter_model.safetensors"


def test_finishing_order_and_node_ids_change_nothing(small: TinyRun, tmp_path: Path) -> None:
    shuffle = random.Random(3)
    forward = serve(small, tmp_path / "a")
    backward = serve(small, tmp_path / "b", LocalGrid(4, order=lambda replies: replies[::-1]))
    mixed = serve(
        small,
        tmp_path / "c",
        LocalGrid(
            4, order=lambda replies: shuffle.sample(replies, len(replies)), partitions=[2, 0, 3, 1]
        ),
    )
    assert forward.digests == backward.digests == mixed.digests
    assert len({sha256_file(tmp_path / name / WEIGHTS) for name in "abc"}) == 1
    assert forward.outcome.roster_sha256 == mixed.outcome.roster_sha256


def test_another_seed_gives_another_run(tiny_model: Path, tmp_path: Path) -> None:
    run = tiny_run(tiny_model, supernodes=4)
    other = TinyRun(run.spec.with_values(seed=8), run.challenge, run.assets)
    one = serve(run, tmp_path / "a").outcome.rounds
    two = serve(other, tmp_path / "b").outcome.rounds
    assert one[0].digest != two[0].digest


def test_rounds_are_chained(small: TinyRun, tmp_path: Path) -> None:
    rounds = serve(small, tmp_path / "a").outcome.rounds
    previous = GENESIS
    for record in rounds:
        assert record.previous_digest == previous
        assert record.digest == record.chain_digest()
        previous = record.digest


def test_sampling_is_by_partition_and_the_number_is_the_challenges(
    small: TinyRun, tmp_path: Path
) -> None:
    served = serve(small, tmp_path / "a")
    for record in served.outcome.rounds:
        assert list(record.partitions) == sorted(set(record.partitions))
        assert len(record.partitions) == small.challenge.clients_per_round(0.5) == 2
    trained = [m for m in served.grid.sent if m.metadata.message_type == "train"]
    assert len(trained) == sum(len(record.partitions) for record in served.outcome.rounds)
