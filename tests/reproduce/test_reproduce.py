"""`harness reproduce`: what is equal, what differs, and by how much."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file
from served import serve
from tiny_run import TinyRun

from harness.document import pretty_json, write_atomic
from harness.errors import RecordError, UsageError
from harness.federation.job import Job
from harness.federation.options import Options
from harness.federation.storage import checkpoint
from harness.federation.storage.ledger import Ledger
from harness.reproduce import original as originals
from harness.reproduce import repeat as module
from harness.reproduce import reproduce
from harness.spec import RunSpec


@pytest.fixture
def original(small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory, and the engine and the sources replaced by local ones."""

    def federate(job: Job, out: Path, options: Options) -> Any:
        chosen = {name: getattr(options, name) for name in ("until", "only")}
        return serve(TinyRun(job.spec, job.challenge, job.assets), out, **chosen).outcome

    monkeypatch.setattr(module, "federate", federate)
    monkeypatch.setattr(RunSpec, "rules", lambda spec: small.challenge)
    monkeypatch.setattr(module, "locate", lambda *args, **kwargs: small.assets)
    folder = tmp_path / "original"
    write_atomic(folder / "spec.json", pretty_json(small.spec.model_dump(mode="json")))
    serve(small, folder, keep_checkpoints=3)
    return folder


@pytest.mark.parametrize("name", ["", "claim.json"])
def test_a_claim_is_called_one(name: str, tmp_path: Path) -> None:
    claim = Path(__file__).parents[2] / "submissions/finance/ethicalabs-smollm2-1.7b" / name
    with pytest.raises(RecordError, match="a claim, which holds what a project says and no run"):
        reproduce(claim, tmp_path / "again")


def test_the_whole_run_is_equal(original: Path, tmp_path: Path) -> None:
    found = reproduce(original, tmp_path / "again")
    assert found.equal
    assert found.level == "re-run"
    assert {f"round {number}" for number in (1, 2, 3)} < {item.what for item in found.items}
    assert "adapter of round 3" in [item.what for item in found.items]
    assert found.lines()[-1] == "reproduced byte for byte"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_round_is_repeated_from_the_checkpoint_before_it(
    number: int, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds_run: list[int] = []
    federate = module.federate

    def counting(job: Job, out: Path, options: Options) -> Any:
        before = len(Ledger(out).rounds)
        outcome = federate(job, out, options)
        rounds_run.append(len(outcome.rounds) - before)
        return outcome

    monkeypatch.setattr(module, "federate", counting)
    found = reproduce(original, tmp_path / "again", number)
    assert found.equal
    assert found.level == "round-replayed"
    # Checkpoints 1, 2 and 3 are kept: round 1 alone begins at the start, which is the same length.
    assert rounds_run == [1]


def test_without_checkpoints_it_begins_at_the_start(original: Path, tmp_path: Path) -> None:
    shutil.rmtree(original / "checkpoints")
    found = reproduce(original, tmp_path / "again", 3)
    assert found.equal
    assert len(Ledger(tmp_path / "again").rounds) == 3


def test_one_client_of_one_round(original: Path, tmp_path: Path) -> None:
    sampled = Ledger(original).rounds[2].partitions
    found = reproduce(original, tmp_path / "again", 3, sampled[1])
    assert found.equal
    assert found.level is None
    assert found.items[0].what == f"round 3 partition {sampled[1]} update"
    absent = next(number for number in range(4) if number not in sampled)
    with pytest.raises(UsageError, match=f"partition {absent} was not sampled in round 3"):
        reproduce(original, tmp_path / "other", 3, absent)


def test_a_difference_is_measured_and_the_tolerance_is_not_silent(
    original: Path, tmp_path: Path
) -> None:
    weights = original / "adapter" / "adapter_model.safetensors"
    tensors = load_file(weights)
    name = next(iter(sorted(tensors)))
    step = np.float32(1e-4) * np.linalg.norm(tensors[name]) / np.sqrt(tensors[name].size)
    save_file(tensors | {name: tensors[name] + np.float32(step)}, weights)
    found = reproduce(original, tmp_path / "again")
    [item] = [item for item in found.items if not item.equal]
    assert item.what == "adapter of round 3"
    assert item.difference == pytest.approx(1e-4, rel=0.05)
    assert not found.equal
    assert found.within_tolerance
    assert "not equal, but within the challenge's tolerance of 0.01" in found.lines()

    save_file(tensors | {name: tensors[name] * np.float32(1.5)}, weights)
    assert not reproduce(original, tmp_path / "third").within_tolerance


def test_a_forged_round_is_found(original: Path, tmp_path: Path) -> None:
    ledger = Ledger(original)
    forged = ledger.rounds[1].with_values(train_loss=0.1)
    lines = [ledger.rounds[0], forged.with_values(digest=forged.chain_digest())]
    text = "".join(pretty(item) for item in lines)
    (original / "rounds.jsonl").write_text(text)
    found = reproduce(original, tmp_path / "again", 2)
    wrong = {item.what: item for item in found.items if not item.equal}
    assert set(wrong) == {"round 2 loss", "round 2 chain"}
    assert wrong["round 2 loss"].difference > 1


def pretty(record: Any) -> str:
    return record.canonical_json() + "\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"number": 4}, r"--round 4: .* has rounds 1\.\.3; choose one of them"),
        ({"client": 1}, "--client needs --round"),
        ({"number": 1, "client": 9}, "partition 9 was not sampled in round 1; sampled: "),
    ],
)
def test_impossible_requests(
    arguments: dict[str, int], problem: str, original: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=problem):
        reproduce(original, tmp_path / "again", **arguments)
    assert not (tmp_path / "again").exists()


def test_a_directory_in_use_is_not_taken_for_a_repetition(original: Path) -> None:
    """Federating into a finished run would do nothing and find everything equal."""
    for number in (None, 2):
        with pytest.raises(UsageError, match="is not an empty directory; choose another --out"):
            reproduce(original, original, number)


def test_an_unfinished_run_is_repeated_by_rounds_only(original: Path, tmp_path: Path) -> None:
    Ledger(original).keep(2)
    with pytest.raises(UsageError, match=r"has 2 of 3 rounds; finish it with.*--resume"):
        reproduce(original, tmp_path / "again")
    assert reproduce(original, tmp_path / "again", 2).equal


def test_a_run_of_a_gpu_needs_one(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = json.loads((original / "spec.json").read_text())
    spec["compute"]["device"] = "cuda"
    (original / "spec.json").write_text(json.dumps(spec))
    machine = replace(originals.this_machine(), gpu_name=None)
    monkeypatch.setattr(originals, "this_machine", lambda: machine)
    with pytest.raises(UsageError, match="was trained on a GPU and this machine has none"):
        reproduce(original, tmp_path / "again")


def test_a_rung_that_could_not_be_written_is_refused_before_the_run(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.cli.execute.reproduce import command

    monkeypatch.setattr(module, "federate", lambda *args: pytest.fail("it ran"))
    found = CliRunner().invoke(command, [str(original), "--write"])
    assert isinstance(found.exception, UsageError)
    assert "--write needs a result.json" in str(found.exception)


def test_a_model_s_own_code_runs_again_only_where_that_is_asked_for(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = json.loads((original / "spec.json").read_text())
    spec["model"]["trust_remote_code"] = True
    (original / "spec.json").write_text(json.dumps(spec))
    with pytest.raises(UsageError, match="tests/tiny runs code out of its folder"):
        reproduce(original, tmp_path / "again")
    monkeypatch.setattr(module, "locate", lambda *args: pytest.fail("asked for"))
    with pytest.raises(pytest.fail.Exception, match="asked for"):
        reproduce(original, tmp_path / "again", trust_remote_code=True)


def test_other_data_are_refused(
    original: Path, small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = small.assets.model_dump(mode="json")
    write_atomic(original / "assets.json", pretty_json(assets))
    data = (small.assets.data[0].with_values(sha256="0" * 64),)
    monkeypatch.setattr(module, "locate", lambda *args: small.assets.with_values(data=data))
    with pytest.raises(RecordError, match="tests/tiny from the synthetic is 000000000000,"):
        reproduce(original, tmp_path / "again")


def test_nothing_to_repeat(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"no result\.json and no spec\.json"):
        reproduce(tmp_path, tmp_path / "again")


def test_the_command_says_it_with_its_exit_code(original: Path) -> None:
    from harness.cli.execute.reproduce import command

    equal = CliRunner().invoke(command, [str(original), "--round", "2", "--json", "--quiet"])
    assert equal.exit_code == 0, equal.output
    assert '"equal": true' in equal.stdout
    path = checkpoint.path_of(original, 2)
    tensors = load_file(path)
    name = next(item for item in tensors if item.startswith("arrays/"))
    for folder in original.glob("adapter_round_2"):
        file = folder / "adapter_model.safetensors"
        kept = load_file(file)
        key = name.removeprefix("arrays/")
        save_file(kept | {key: kept[key] + np.float32(1e-6)}, file)
    differing = CliRunner().invoke(command, [str(original), "--round", "2", "--quiet"])
    assert differing.exit_code == 1
    assert "differs: adapter of round 2" in differing.stdout
    accepted = CliRunner().invoke(
        command, [str(original), "--round", "2", "--quiet", "--tolerance"]
    )
    assert accepted.exit_code == 0
