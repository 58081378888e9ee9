"""`import harness` is light, and gives in Python what the command line gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission

import harness
from harness.document import parse_document
from harness.errors import PluginError, RecordError, UsageError
from harness.pipeline.events import Event
from harness.planning.recipe_files import read_recipe
from harness.record.result import ResultRecord

RECIPE = """
challenge = "finance"
model = "smollm2-dora/smollm2-135m-instruct"
[peft]
name = "standard/lora"
[strategy]
name = "standard/fedavg"
[train]
rounds = 3
"""


def test_the_import_loads_nothing_heavy_and_the_interface_on_demand() -> None:
    code = (
        "import sys, harness; before = set(sys.modules); harness.plan;"
        "heavy = {'torch', 'flwr', 'ray', 'transformers', 'numpy', 'pandas'} & set(sys.modules);"
        "print(sorted(heavy), 'harness.interface' in before, 'harness.interface' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "False", "True"]


def test_a_notebook_completes_every_name_of_the_interface() -> None:
    code = "import harness; print(set(harness.__all__) - set(dir(harness)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()"]


def test_a_plan_says_what_the_command_says() -> None:
    plan = harness.plan(
        "smollm2-dora/135m", rounds=3, device="cpu", settings={"peft.r": 4, "prompt.style": "chat"}
    )
    assert plan.spec.train.rounds == 3
    assert plan.spec.peft.params["r"] == 4
    assert plan.spec.train.prompt.style == "chat"
    assert plan.communication_mib == plan.resolved.forecast.communication.total_mib
    assert plan.violations == ()


def test_a_rule_that_would_be_broken_is_a_sentence_of_the_plan() -> None:
    plan = harness.plan("smollm2-dora/135m", rounds=100_000, device="cpu")
    assert any("communication" in item for item in plan.violations)


def test_a_recipe_may_be_a_file_or_an_object(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    by_text = harness.plan(str(path), device="cpu")
    by_path = harness.plan(path, device="cpu")
    by_object = harness.plan(read_recipe(path), device="cpu")
    assert by_text.spec == by_path.spec == by_object.spec
    assert by_object.spec.label == "file/mine"


def test_errors_are_exceptions_of_their_kind() -> None:
    with pytest.raises(PluginError, match="unknown plugin"):
        harness.plan("nothing")
    with pytest.raises(UsageError, match="no such setting"):
        harness.plan("smollm2-dora/135m", ruonds=3)
    with pytest.raises(UsageError, match="a plan is complete"):
        harness.run(harness.plan("smollm2-dora/135m", device="cpu"), rounds=3)
    with pytest.raises(RecordError, match=r"no result\.json"):
        harness.load("/nowhere")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = harness.nothing


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seed": -1}, "seed: expected greater than or equal to 0 (found '-1')"),
        ({"seed": 2**31}, "seed: expected less than or equal to 2147483647"),
        ({"seed": "x"}, "seed: expected a whole number"),
        ({"limit": 0}, "limit: expected greater than or equal to 1"),
        ({"threads": 0}, "threads: expected greater than or equal to 1"),
        ({"device": "tpu"}, "device: expected 'auto', 'cpu' or 'cuda'"),
        ({"division": "shut"}, "division: expected 'closed' or 'open'"),
        ({"smoke": "perhaps"}, "smoke: expected true or false"),
        ({"mirror": "/nowhere"}, "mirror: no folder /nowhere"),
    ],
)
def test_what_no_option_takes_no_argument_takes(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        harness.plan("smollm2-dora/135m", **arguments)
    assert said in str(raised.value)


def test_a_plan_is_shown_in_one_line() -> None:
    plan = harness.plan("smollm2-dora/135m", rounds=3, device="cpu")
    assert repr(plan).startswith("<Plan smollm2-dora/135m on finance: 3 rounds, 188.01 MiB, ")
    broken = harness.plan("smollm2-dora/135m", rounds=100_000, device="cpu")
    assert repr(broken).endswith("breaks 1 rule>")


def test_an_event_is_shown_without_the_whole_record() -> None:
    shown = repr(
        Event(
            "finished",
            "result",
            1.0,
            record=parse_document(ResultRecord, Submission().record, "here"),
        )
    )
    assert "finished" in shown
    assert len(shown) < 500


def test_a_result_is_loaded_as_it_was_written(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / "submissions" / "finance" / "one")
    for run in (harness.load(folder), harness.load(folder / "result.json")):
        assert set(run.scores) == {"fpb", "fiqa", "tfns"}
        assert run.average == pytest.approx(sum(run.scores.values()) / 3)
        assert len(run.rounds) == run.spec.train.rounds
        assert run.adapter == folder / "adapter"
        assert f"{100 * run.average:.2f} %" in repr(run)


def test_an_unfinished_run_is_loaded_as_far_as_it_came(tmp_path: Path) -> None:
    import json

    from harness.document import pretty_json

    value = Submission().record
    (tmp_path / "spec.json").write_text(pretty_json(value["spec"]))
    lines = "".join(json.dumps(item) + "\n" for item in value["federation"]["rounds"][:2])
    (tmp_path / "rounds.jsonl").write_text(lines + '{"round": 3')
    run = harness.load(tmp_path)
    assert [item.round for item in run.rounds] == [1, 2]
    assert (run.scores, run.average, run.adapter, run.eligible) == ({}, None, None, False)
    assert "2 rounds, no result yet" in repr(run)
