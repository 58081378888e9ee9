"""`harness replicate` on small runs: what is exact is, what is not is shown as not holding."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="needs the extra [run]")

from click.testing import CliRunner

from harness.cli import cli
from harness.errors import UsageError
from harness.replication.replication import Replication
from harness.replication.small_runs import run_small

FILE = """
title = "FFA-LoRA is exact, FedAvg is not"
paper = "https://arxiv.org/abs/2403.12313"
seeds = [1, 2]
rounds = 2
[arms.ffa-lora]
strategy = "standard/ffa-lora"
[arms.fedavg]
strategy = "standard/fedavg"
[[relations]]
says = "FFA-LoRA's mean is exact."
source = "section 4"
kind = "exact"
measure = "inexactness"
left = "ffa-lora"
tolerance = 1e-4
[[relations]]
says = "FedAvg's mean is exact."
source = "nowhere"
kind = "exact"
measure = "inexactness"
left = "fedavg"
tolerance = 1e-4
[[relations]]
says = "It sends half."
source = "section 4"
kind = "ratio"
measure = "bytes"
left = "ffa-lora"
right = "fedavg"
value = 0.5
tolerance = 0.1
"""


def test_what_does_not_hold_is_shown(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(FILE)
    done = CliRunner().invoke(cli, ["replicate", str(tmp_path / "x.toml"), "--json"])
    assert done.exit_code == 0, done.output
    found = [item["verdict"] for item in json.loads(done.stdout)]
    assert found == ["holds", "does not hold", "holds"]
    checked = CliRunner().invoke(cli, ["replicate", str(tmp_path / "x.toml"), "--check"])
    assert checked.exit_code == 1
    assert "does not hold  FedAvg's mean is exact." in checked.stdout


def test_a_small_run_repeats_itself_and_learns() -> None:
    relation = {"says": "s", "source": "s", "kind": "exact", "measure": "loss", "left": "a"}
    values = {"title": "t", "paper": "p", "seeds": (1, 2), "relations": (relation,)}
    arms = {"a": {"strategy": "standard/fedavg"}, "b": {"r": 4}}
    short, long = (
        Replication.model_validate({**values, "arms": arms, "rounds": rounds}) for rounds in (1, 6)
    )
    first = run_small(short, "a", 1)
    assert run_small(short, "a", 1) == first
    assert run_small(short, "a", 2) != first
    assert run_small(long, "a", 1)["loss"] < 0.9 * first["loss"]
    with pytest.raises(UsageError, match="arm b: expected strategy"):
        run_small(short, "b", 1)


@pytest.mark.parametrize(("rate", "ends"), [("0.05", "holds"), ("50.0", "clients diverged")])
def test_a_replication_says_what_it_found_and_no_library_says_anything(
    rate: str, ends: str, tmp_path: Path
) -> None:
    (tmp_path / "x.toml").write_text(FILE.replace("rounds = 2", f"learning_rate = {rate}"))
    command = [sys.executable, "-m", "harness", "replicate", str(tmp_path / "x.toml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert ends in done.stdout + done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("error: ")] == []


@pytest.mark.parametrize("strategy", ["krum", "fedtrimmedavg"])
def test_a_strategy_of_more_clients_is_refused_as_by_plan(tmp_path: Path, strategy: str) -> None:
    """Four clients are too few for either: a relation that "holds" would be of another method."""
    (tmp_path / "x.toml").write_text(FILE.replace("standard/fedavg", f"standard/{strategy}"))
    done = CliRunner().invoke(cli, ["replicate", str(tmp_path / "x.toml")])
    assert isinstance(done.exception, UsageError)
    said = str(done.exception)
    assert said.startswith(f"arm fedavg, clients = 4: strategy standard/{strategy}: ")
    enough = FILE.replace("standard/fedavg", f"standard/{strategy}").replace(
        "rounds = 2", "rounds = 2\nclients = 6"
    )
    (tmp_path / "x.toml").write_text(enough)
    assert CliRunner().invoke(cli, ["replicate", str(tmp_path / "x.toml")]).exit_code == 0
