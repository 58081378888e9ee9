"""`tox -e repro -- PATH`: what it builds, and what it says when a record is of other code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import PluginError
from harness.plugins import load
from harness.reproduce import read_original, repeating_command, reproduce
from harness.spec import IN_A_CLONE, PluginRef

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "submissions" / "finance" / "smollm2-135m-dora" / "result.json"
SMALL = ROOT / "submissions" / "finance" / "smollm2-135m-dora-r2" / "result.json"
sys.path.insert(0, str(ROOT / "tests" / "repro"))

import linked_libraries  # noqa: E402  # needs the path above
import repeated_record  # noqa: E402
from repeated_federation import verdict  # noqa: E402


def test_a_claim_cannot_be_repeated(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="a claim without a result cannot be repeated"):
        repeated_record.repeat_record(tmp_path, tmp_path, [], [])


def test_plugins_are_found_in_their_source() -> None:
    found = repeated_record.own_plugins(ROOT)
    assert {"smollm2-dora", "standard"} <= set(found)
    assert all((folder / "pyproject.toml").is_file() for folder in found.values())


def test_recorded_versions_go_before_the_checkouts(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# a comment\ntorch==2.13.0\nnumpy==2.4.6\n")
    assert repeated_record.merged(constraints, {"torch": "2.12.0"}) == "numpy==2.4.6\n"
    assert repeated_record.merged(tmp_path / "none.txt", {}) == ""


def test_the_source_is_the_recorded_commit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = {"commit": "0" * 40, "dirty": False}
    assert repeated_record.source_of(unknown, tmp_path / "a") == ROOT
    assert "does not hold the recorded commit 000000000000" in capsys.readouterr().out
    assert repeated_record.source_of({"commit": "--all", "dirty": False}, tmp_path / "b") == ROOT
    head = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if head.returncode:
        pytest.skip("not a git checkout")
    commit = {"commit": head.stdout.strip(), "dirty": True}
    assert repeated_record.source_of(commit, tmp_path / "c") == tmp_path / "c"
    assert (tmp_path / "c" / "harness" / "__init__.py").is_file()
    assert "which had been changed when the record was made" in capsys.readouterr().out


def test_another_plugin_than_the_recorded_one_ends_it_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = json.loads(RESULT.read_text())
    record["plugins"][0]["digest"] = "0" * 64
    path = tmp_path / "result.json"
    path.write_text(json.dumps(record))
    name, digest = record["plugins"][0]["name"], load(record["plugins"][0]["name"]).ref.digest
    monkeypatch.setattr(repeated_record, "build", lambda *args: Path(sys.executable))
    monkeypatch.setattr(repeated_record, "digests", lambda *args: {name: digest})
    with pytest.raises(SystemExit, match=rf"plugin {name}: digest {digest[:12]}, .*--install"):
        repeated_record.repeat_record(path, tmp_path, [], [])


def test_a_repetition_runs_where_nothing_can_be_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Clients of version 0.1.0 import `harness` from the current folder: a clone's newer one."""
    program = tmp_path / "env" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    script = program.with_name("harness")
    script.write_text(
        f"#!{sys.executable}\nimport os, sys\nprint(*os.listdir('.'), '|', *sys.argv[1:])\n"
        "print(os.environ['HARNESS_MIRROR'])\n"
    )
    script.chmod(0o755)
    plugins = {ref["name"]: ref["digest"] for ref in json.loads(RESULT.read_text())["plugins"]}
    monkeypatch.setattr(repeated_record, "build", lambda *args: program)
    monkeypatch.setattr(repeated_record, "digests", lambda *args: plugins)
    monkeypatch.setenv("HARNESS_MIRROR", "../hub")
    monkeypatch.chdir(ROOT)
    asked = ["--round", "1", "--mirror", "hub", "--out=there"]
    code = repeated_record.repeat_record(RESULT.relative_to(ROOT), tmp_path, [], asked)
    assert code == 0
    here = Path.cwd()
    assert capfd.readouterr().out.splitlines()[-2:] == [
        f"| reproduce {RESULT} --round 1 --mirror {here / 'hub'} --out={here / 'there'}",
        str(here / "../hub"),
    ]


def test_the_committed_record_s_commit_holds_the_plugins_that_it_names(tmp_path: Path) -> None:
    """The first half of the documented command; the second needs the mirror and minutes."""
    record = json.loads(RESULT.read_text())
    source = repeated_record.source_of(record["environment"]["git"], tmp_path / "source")
    if source == ROOT:
        pytest.skip("a shallow clone: the recorded commit is not here")
    folders = repeated_record.own_plugins(source)
    for ref in record["plugins"]:
        module = next((folders[ref["name"]] / "src").iterdir()).name
        code = (
            f"import sys; sys.path[:0] = [{str(source)!r}, {str(folders[ref['name']] / 'src')!r}];"
            f"from harness.plugins import content_digest; print(content_digest({module!r}, ''))"
        )
        done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == ref["digest"], done.stderr


def test_the_committed_record_is_repeated_by_its_own_code_from_another_folder(
    mirror: Path, tmp_path: Path
) -> None:
    """The documented command, whole: the record's commit, its versions, one client of 20 steps."""
    record = json.loads(SMALL.read_text())
    if repeated_record.source_of(record["environment"]["git"], tmp_path / "source") == ROOT:
        pytest.skip("a shallow clone: the recorded commit is not here")
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "repro", SMALL, "--round", "1", "--client", "6"],
        cwd=tmp_path,
        env=os.environ | {"HARNESS_MIRROR": str(mirror)},
        capture_output=True,
        text=True,
    )
    assert "source    commit 21ec846c471b" in done.stdout, done.stdout + done.stderr
    assert "partition 6 of round 1, from the start: " in done.stdout, done.stdout + done.stderr
    processors = Path("/proc/cpuinfo").read_text()
    if f": {record['environment']['device']['name']}\n" in processors:  # others sum otherwise
        assert done.stdout.splitlines()[-1] == "reproduced byte for byte"
        assert done.returncode == 0


def test_libraries_are_linked_where_they_are_the_recorded_ones() -> None:
    recorded = json.loads(SMALL.read_text())["environment"]["packages"]
    here = linked_libraries.installed_versions(recorded)
    name = next(name for name in here if name != "flowertune-harness")
    assert linked_libraries.has_all(here | {"flowertune-harness": "another"}, [])
    assert not linked_libraries.has_all(here | {name: "0.0.1"}, [])
    assert not linked_libraries.has_all(here | {"no-such-library": "1"}, [])
    assert linked_libraries.has_all({}, ["# why", f"{name}=={here[name]}", "no-such-library==1"])
    assert not linked_libraries.has_all({}, [f"{name}==0.0.1"])


def test_another_version_is_answered_with_the_command_that_repeats_it(tmp_path: Path) -> None:
    result = RESULT.parent.joinpath("result.json")
    with pytest.raises(PluginError) as caught:
        reproduce(RESULT.parent, tmp_path / "out", number=1, client=6)
    commit = json.loads(RESULT.read_text())["environment"]["git"]["commit"]
    assert str(caught.value).endswith(
        f"in a clone of the harness that holds commit {commit}:"
        f" tox -e repro -- {result} --round 1 --client 6"
    )


def test_a_plugin_from_elsewhere_is_to_be_installed_from_where_it_is() -> None:
    assert frozenset(repeated_record.own_plugins(ROOT)) == IN_A_CLONE
    original = read_original(RESULT.parent)
    assert original.record is not None
    own = repeating_command(original, 1, 6)
    assert own is not None
    assert "--install" not in own
    more = PluginRef(name="my-entry", version="1.2", digest="a" * 64)
    changed = original.record.with_values(plugins=(*original.record.plugins, more))
    found = repeating_command(replace(original, record=changed), 1, 6)
    told = " --install WHERE, where WHERE is what pip installs plugin my-entry 1.2 from"
    assert found == own + told


def test_a_difference_names_the_round_that_it_begins_in() -> None:
    expected = (["a" * 64, "b" * 64], "r", "w")
    assert verdict(expected, expected, False) == "equal"
    other = (["a" * 64, "c" * 64], "r", "w")
    assert verdict(other, expected, False).startswith("DIFFERENT from round 2 on: cccccccccccc")
    assert verdict((["a" * 64], "r", "w"), expected, False) == "DIFFERENT: 1 rounds, expected 2"
    assert verdict((*expected[:2], "x"), expected, False).startswith("DIFFERENT adapter")
