"""A run that stopped goes on to the same bytes, strategy state and clients' own files included."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flwr.serverapp.strategy import FedAvg
from served import serve
from tiny_run import TinyRun, tiny_run

from harness.document import sha256_file
from harness.errors import PluginError, RecordError
from harness.federation.clientapp import client_state
from harness.federation.storage import checkpoint
from harness.federation.storage.ledger import Ledger
from harness.federation.storage.resume import finished

WEIGHTS = "adapter/adapter_model.safetensors"
RECIPES = ["fedavg", "momentum", "adam", "fedsa"]


def test_a_ledger_that_the_disk_refuses_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"rounds\.jsonl: cannot be written \(No such file"):
        Ledger(tmp_path / "deleted").keep(0)


@pytest.mark.parametrize("recipe", RECIPES)
def test_resumed_after_any_round_it_ends_with_the_same_adapter(
    recipe: str, tiny_model: Path, tmp_path: Path
) -> None:
    run = tiny_run(tiny_model, recipe, supernodes=4)
    whole = serve(run, tmp_path / "whole")
    for stop in (1, 2):
        folder = tmp_path / f"stopped-{stop}"
        serve(run, folder, until=stop)
        resumed = serve(run, folder)
        assert resumed.digests == whole.digests
        assert sha256_file(folder / WEIGHTS) == sha256_file(tmp_path / "whole" / WEIGHTS)
        trained = [m for m in resumed.grid.sent if m.metadata.message_type == "train"]
        assert len(trained) == 2 * (3 - stop)


@pytest.mark.parametrize("recipe", ["momentum", "adam"])
def test_a_strategy_without_the_state_that_it_had_makes_another_aggregate_and_is_refused(
    recipe: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above would pass for a strategy without state; these have some."""
    from harness.federation.storage import strategy_state

    run = tiny_run(tiny_model, recipe, supernodes=4)
    serve(run, tmp_path / "run", until=2)
    monkeypatch.setattr(strategy_state, "restore", lambda *args: None)
    with pytest.raises(PluginError, match=r"round 3.*its aggregate is|tried again.* round 3"):
        serve(run, tmp_path / "run")


def test_a_round_is_kept_though_the_next_one_cannot_begin(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = serve(small, tmp_path / "whole").digests
    configure = FedAvg.configure_train

    def fails(self: FedAvg, number: int, *args: object) -> object:
        if number == 2:
            raise ZeroDivisionError("in the second round")
        return configure(self, number, *args)

    with monkeypatch.context() as broken:
        broken.setattr(FedAvg, "configure_train", fails)
        with pytest.raises(PluginError, match="second round"):
            serve(small, tmp_path / "run")
    assert checkpoint.rounds_on_disk(tmp_path / "run") == [1, 0]
    resumed = serve(small, tmp_path / "run")
    assert resumed.digests == whole
    assert len([m for m in resumed.grid.sent if m.metadata.message_type == "train"]) == 2 * 2


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(
    small: TinyRun, tmp_path: Path
) -> None:
    whole = serve(small, tmp_path / "whole").digests
    for damage in ("cut", "flipped", "empty"):
        folder = tmp_path / damage
        serve(small, folder, until=2)
        path = checkpoint.path_of(folder, 2)
        data = bytearray(path.read_bytes())
        if damage == "cut":
            data = data[: len(data) // 2]
        elif damage == "flipped":
            data[-3] ^= 1
        else:
            data = bytearray()
        path.write_bytes(data)
        resumed = serve(small, folder)
        assert resumed.digests == whole
        trained = [m for m in resumed.grid.sent if m.metadata.message_type == "train"]
        assert len(trained) == 2 * 2  # round 2 again, and round 3


@pytest.mark.parametrize("damage", ["last line torn", "last line lost", "all lost", "foreign line"])
def test_a_damaged_ledger_is_mended_from_the_checkpoint(
    damage: str, small: TinyRun, tmp_path: Path
) -> None:
    whole = serve(small, tmp_path / "whole").digests
    folder = tmp_path / "run"
    serve(small, folder, until=2)
    path = folder / "rounds.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        {
            "last line torn": lines[0] + lines[1][:-20],
            "last line lost": lines[0],
            "all lost": "",
            "foreign line": lines[0] + lines[0],
        }[damage]
    )
    assert serve(small, folder).digests == whole
    assert [item.digest for item in Ledger(folder).rounds] == whole
    assert path.read_text().count("\n") == len(whole)


def test_leftovers_of_an_interrupted_write_do_no_harm(small: TinyRun, tmp_path: Path) -> None:
    whole = serve(small, tmp_path / "whole").digests
    folder = tmp_path / "run"
    serve(small, folder, until=1)
    for name in (".round-000002.safetensors.x7", ".tmpFwU311"):
        (folder / "checkpoints" / name).write_bytes(b"half")
    assert serve(small, folder).digests == whole
    assert not list((folder / "checkpoints").glob(".*"))


def test_the_number_of_checkpoints_is_bounded_and_kept_adapters_stay(
    tiny_model: Path, tmp_path: Path
) -> None:
    run = tiny_run(tiny_model, supernodes=4, rounds=5, save_every_rounds=2)
    serve(run, tmp_path / "two")
    assert checkpoint.rounds_on_disk(tmp_path / "two") == [5, 4]
    kept_for_good = sorted(path.name for path in (tmp_path / "two").glob("adapter*"))
    assert kept_for_good == ["adapter", "adapter_round_2", "adapter_round_4"]
    serve(run, tmp_path / "three", keep_checkpoints=3)
    assert checkpoint.rounds_on_disk(tmp_path / "three") == [5, 4, 3]


def test_what_clients_keep_is_bounded_too(tiny_model: Path, tmp_path: Path) -> None:
    run = tiny_run(tiny_model, "fedsa", supernodes=4, rounds=6)
    serve(run, tmp_path / "run", keep_checkpoints=1)
    files = sorted(path.name for path in (tmp_path / "run" / client_state.CLIENT_STATES).iterdir())
    partitions = [name.split("-round-")[0] for name in files]
    assert len(partitions) == len(set(partitions)), files


def test_a_lost_file_of_a_client_refuses(tiny_model: Path, tmp_path: Path) -> None:
    run = tiny_run(tiny_model, "fedsa", supernodes=4, rounds=4, fraction=1.0)
    serve(run, tmp_path / "run", until=2)
    client_state.path_of(tmp_path / "run" / client_state.CLIENT_STATES, 3, 2).unlink()
    with pytest.raises(RecordError, match=r"partition 3 failed in round 3.*kept after round 2"):
        serve(run, tmp_path / "run")


def test_another_spec_is_refused(small: TinyRun, tmp_path: Path) -> None:
    serve(small, tmp_path / "run", until=1)
    other = TinyRun(small.spec.with_values(seed=8), small.challenge, small.assets)
    with pytest.raises(RecordError, match=r"spec.json is .* differs from what started the run"):
        serve(other, tmp_path / "run")


def test_other_data_are_refused(small: TinyRun, tmp_path: Path) -> None:
    serve(small, tmp_path / "run", until=1)
    data = (small.assets.data[0].with_values(sha256="0" * 64),)
    other = TinyRun(small.spec, small.challenge, small.assets.with_values(data=data))
    with pytest.raises(RecordError, match="tests/tiny changed since its checkpoint was written"):
        serve(other, tmp_path / "run")


def test_another_plugin_is_refused(small: TinyRun, tmp_path: Path) -> None:
    serve(small, tmp_path / "run", until=1)
    first, *rest = small.spec.plugins
    changed = small.spec.with_values(plugins=(first.with_values(digest="0" * 64), *rest))
    with pytest.raises(PluginError, match="install that version"):
        serve(TinyRun(changed, small.challenge, small.assets), tmp_path / "run")


def test_another_precision_is_refused(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.errors import FederationError
    from harness.training.trainer import Trainer

    serve(small, tmp_path / "run", until=1)
    facts = Trainer.describe
    monkeypatch.setattr(Trainer, "describe", lambda self: facts(self).with_values(dtype="bfloat16"))
    with pytest.raises(FederationError, match="trained in bfloat16 in round 2, the rounds before"):
        serve(small, tmp_path / "run")


def test_a_finished_federation_is_recognised_without_an_engine(
    small: TinyRun, tmp_path: Path
) -> None:
    served = serve(small, tmp_path / "run")
    job = small.job
    outcome = finished(tmp_path / "run", job, 1)
    assert outcome is not None
    assert outcome.rounds == served.outcome.rounds
    assert outcome.roster_sha256 == served.outcome.roster_sha256
    weights = tmp_path / "run" / WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert finished(tmp_path / "run", job, 1) is None
    shutil.rmtree(tmp_path / "run" / "adapter")
    assert finished(tmp_path / "run", job, 1) is None
