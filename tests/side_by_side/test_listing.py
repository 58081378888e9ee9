"""`harness runs` tells what is there and how far it has come, whatever state it is in."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from clean_submission import Submission
from click.testing import CliRunner

from harness.cli import cli, main
from harness.document import pretty_json
from harness.errors import UsageError
from harness.side_by_side.listing import list_runs


def unfinished(folder: Path, lines: int, cut: bool = False) -> None:
    """Write a run directory that stopped after some rounds."""
    value = Submission().record["spec"]
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(pretty_json(value))
    text = "".join(json.dumps({"round": n + 1}) + "\n" for n in range(lines))
    (folder / "rounds.jsonl").write_text(text + ('{"round": ' if cut else ""))


def test_every_state_of_a_run_is_told(tmp_path: Path) -> None:
    rounds = Submission().record["spec"]["train"]["rounds"]
    unfinished(tmp_path / "begun", 0)
    unfinished(tmp_path / "stopped", rounds - 1, cut=True)
    unfinished(tmp_path / "federated", rounds)
    unfinished(tmp_path / "broken", 0)
    (tmp_path / "broken" / "spec.json").write_text("{")
    finished = tmp_path / "finished"
    unfinished(finished, rounds)
    (finished / "result.json").write_text(pretty_json(Submission().record))
    (tmp_path / "no run").mkdir()
    found = {Path(run.path).name: run for run in list_runs(tmp_path)}
    assert found["begun"].state == f"round 0 of {rounds}"
    assert found["stopped"].state == f"round {rounds - 1} of {rounds}"
    assert found["federated"].state == "to be evaluated"
    assert found["broken"].state.startswith("cannot be read")
    assert found["finished"].state == "finished"
    assert found["finished"].average == Submission().record["average"]
    assert "no run" not in found


def test_the_command_prints_a_table_a_value_or_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["runs"], ["runs", str(tmp_path)]):
        empty = CliRunner().invoke(cli, arguments)
        assert empty.exit_code == 0
        assert "harness run --plugin" in empty.output
    unfinished(tmp_path / "runs" / "one", 1)
    text = CliRunner().invoke(cli, ["runs", str(tmp_path / "runs")]).output
    assert "round 1 of" in text
    value = json.loads(CliRunner().invoke(cli, ["runs", str(tmp_path / "runs"), "--json"]).output)
    assert [item["rounds"] for item in value] == [1]


def test_a_mean_has_two_decimals_whatever_they_are(tmp_path: Path) -> None:
    unfinished(tmp_path / "one", 1)
    record = Submission().record | {"average": 0.25}
    (tmp_path / "one" / "result.json").write_text(pretty_json(record))
    assert " 25.00 " in CliRunner().invoke(cli, ["runs", str(tmp_path)]).output


def test_a_resume_without_its_run_names_those_that_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for stopped, named in (("", ""), ("one", ": runs/one"), ("a b", ": runs/one, 'runs/a b'")):
        if stopped:
            unfinished(tmp_path / "runs" / stopped, 1)
        with pytest.raises(SystemExit):
            main(["run", "--resume"])
        assert f"requires an argument{named}; see: harness" in capsys.readouterr().err
    unfinished(tmp_path / "runs" / "a", 1)
    unfinished(tmp_path / "runs" / "b", 1)
    with pytest.raises(SystemExit):
        main(["run", "--resume"])
    assert ", ...; see" in capsys.readouterr().err


def test_a_place_that_holds_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, reason in (("nope", "no such folder"), ("file", "a file")):
        for more in ([], ["--json"]):
            found = CliRunner().invoke(cli, ["runs", str(tmp_path / name), *more])
            assert isinstance(found.exception, UsageError)
            assert reason in str(found.exception)


def test_300_runs_are_listed_in_a_second(tmp_path: Path) -> None:
    for number in range(300):
        unfinished(tmp_path / str(number), 2)
    start = time.process_time()
    assert len(list_runs(tmp_path)) == 300
    assert time.process_time() - start < 1
