"""`harness dispute`: where two results part, to a gradient, and whom a repetition supports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from one_bit import kept, one_bit_flipped, repeated_here
from tiny_run import tiny_run

from harness.cli import cli
from harness.document import pretty_json, read_json, write_atomic
from harness.errors import UsageError
from harness.federation.storage.ledger import Ledger
from harness.plugins import loading
from harness.reproduce.dispute import Dispute, dispute
from harness.reproduce.parting import Place

ROUND, STEP, TENSOR, BIT = 2, 2, 3, 20


@pytest.fixture(scope="module")
def runs(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """An honest run, and one with one bit flipped in round 2; `tensor` is the name as a path."""
    loading.load.cache_clear()  # other tests install plugins under a path of their own
    small = tiny_run(tiny_model, supernodes=4)
    folder = tmp_path_factory.mktemp("disputed")
    with repeated_here(small):
        partitions = kept(small, folder / "honest", keep_checkpoints=3)
        place = (ROUND, partitions[ROUND - 1][1], STEP, TENSOR, BIT)
        with one_bit_flipped(place) as names:
            kept(small, folder / "flipped", keep_checkpoints=3)
        yield {
            "honest": folder / "honest",
            "flipped": folder / "flipped",
            "partition": Path(str(place[1])),
            "tensor": Path(names[0]),
        }


@pytest.mark.parametrize(("one", "two"), [("honest", "flipped"), ("flipped", "honest")])
def test_one_bit_of_one_gradient_is_found_with_one_repetition(
    runs: dict[str, Path], one: str, two: str, tmp_path: Path
) -> None:
    found = dispute(runs[one], runs[two], tmp_path / "again")
    assert found.place is not None
    assert (found.place.round, found.place.partition) == (ROUND, int(str(runs["partition"])))
    assert (found.place.step, found.place.step_differs) == (STEP, "gradients")
    assert found.place.tensors == (str(runs["tensor"]),)
    assert found.supports == ("first" if one == "honest" else "second")
    assert (found.repeated_rounds, found.repeated_clients) == (0, 1)


def test_without_checkpoints_and_steps_the_client_is_found_and_said_so(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("honest", "flipped"):
        (tmp_path / name).mkdir()
        for file in ("spec.json", "rounds.jsonl"):
            shutil.copyfile(runs[name] / file, tmp_path / name / file)
    found = dispute(tmp_path / "honest", tmp_path / "flipped", tmp_path / "again")
    assert found.supports == "first"
    assert (found.repeated_rounds, found.repeated_clients) == (ROUND - 1, 1)
    assert found.place is not None
    assert found.place.step is None
    assert any("only runs made with --keep-steps" in line for line in found.lines())


def forged(run: Path, folder: Path, aggregate: str) -> Path:
    """Copy a run, with another aggregate in round 2 and every digest made anew."""
    shutil.copytree(run, folder)
    rounds = list(Ledger(folder).rounds)
    rounds[1] = rounds[1].with_values(aggregate_sha256=aggregate)
    for place in (1, 2):
        item = rounds[place].with_values(previous_digest=rounds[place - 1].digest)
        rounds[place] = item.with_values(digest=item.chain_digest())
    text = "".join(item.canonical_json() + "\n" for item in rounds)
    (folder / "rounds.jsonl").write_text(text)
    return folder


def test_a_forged_aggregate_is_found_and_the_round_repeated(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    one = forged(runs["honest"], tmp_path / "one", "a" * 64)
    two = forged(runs["honest"], tmp_path / "two", "b" * 64)
    found = dispute(one, runs["honest"], tmp_path / "again")
    assert found.place is not None
    assert (found.place.what, found.place.round, found.place.partition) == ("aggregate", 2, None)
    assert (found.supports, found.repeated_rounds, found.repeated_clients) == ("second", 1, 0)
    assert dispute(one, two, tmp_path / "neither").supports == "neither"


def test_runs_that_agree_and_runs_of_other_specs(runs: dict[str, Path], tmp_path: Path) -> None:
    same = str(runs["honest"])
    called = CliRunner().invoke(cli, ["dispute", same, same, "--json"])
    assert (called.exit_code, json.loads(called.stdout)["place"]) == (0, None)
    other = tmp_path / "other"
    shutil.copytree(runs["honest"], other)
    spec = read_json(other / "spec.json")
    spec["seed"] += 1
    write_atomic(other / "spec.json", pretty_json(spec))
    with pytest.raises(UsageError, match=r"of different specs \(seed is 7 and 8\)"):
        dispute(runs["honest"], other, tmp_path / "again")


def test_the_command_says_where_and_exits_with_1(runs: dict[str, Path]) -> None:
    arguments = ["dispute", str(runs["honest"]), str(runs["flipped"])]
    called = CliRunner().invoke(cli, [*arguments, "--no-repetition"])
    assert called.exit_code == 1
    partition = runs["partition"]
    assert f"they part in round 2, partition {partition}: the update differs" in called.stdout
    assert f"first at step 2, in its gradients: {runs['tensor']}" in called.stdout
    called = CliRunner().invoke(cli, [*arguments, "--json"])
    assert Dispute(**json.loads(called.stdout)).supports == "first"


@pytest.mark.parametrize(("tensors", "named"), [("abc", "a, b, c"), ("abcd", "a, b, c and 1 more")])
def test_three_tensors_are_named_and_the_rest_counted(tensors: str, named: str) -> None:
    place = Place(
        round=1, partition=0, what="update", step=1, step_differs="values", tensors=tuple(tensors)
    )
    lines = Dispute(first="x", second="y", rounds=(1, 1), place=place).lines()
    assert lines[-1] == f"first at step 1, in its values: {named}"
