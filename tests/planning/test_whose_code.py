"""Whose code ran: told by digests, never by names, and what is not needed is not loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clean_submission import Submission

from harness.boards.challenge import load_challenge
from harness.document.file_digests import code_digests, sha256_of_set
from harness.errors import PluginError
from harness.machine.machine import this_machine
from harness.planning.resolve import Request, resolve
from harness.planning.whose_code import audited, own_code
from harness.plugins import load_components, loading
from harness.record.card import card
from harness.record.result import ResultRecord
from harness.spec import RunSpec

ROOT = Path(__file__).resolve().parents[2]

RECIPE = """
from harness import hookimpl
from harness.recipe import Choice, Recipe, TrainSpec

@hookimpl
def harness_recipes():
    return [Recipe(name="theirs", title="Theirs", model="smollm2-dora/smollm2-135m-instruct",
        peft=Choice(name="standard/lora"), strategy=Choice(name="standard/fedavg"),
        train=TrainSpec(rounds=2))]
"""


def spec_of(digest: str, strategy: str = "standard/fedavg", **model: object) -> RunSpec:
    value = dict(Submission().record["spec"])
    value["plugins"][1]["digest"] = digest
    value["strategy"]["name"] = strategy
    value["model"] |= model
    return RunSpec.model_validate(value)


@pytest.mark.parametrize("plugin", ["standard", "federated-lora"])
def test_what_the_repository_ships_is_audited(plugin: str) -> None:
    """After a change of such a plugin: review it, and put this digest into audited.json as well.

    Those of before stay: results that were filed with them are declared by them.
    """
    shipped = ROOT / "plugins" / plugin / "src" / f"harness_{plugin.replace('-', '_')}"
    digest = sha256_of_set(code_digests(shipped, shipped), folder_by_folder=True)
    assert digest in {item.digest for item in audited() if item.plugin == plugin}


def test_a_run_is_declared_by_the_digests_of_its_components_and_not_by_their_names() -> None:
    known = next(item.digest for item in audited() if item.plugin == "standard")
    assert own_code(spec_of(known)) == ()
    assert own_code(spec_of("0" * 64)) == ("standard",)
    assert own_code(spec_of(known, "pretend/own")) == ("pretend",)
    brings_code = spec_of(known, trust_remote_code=True, hub_id="theirs/model")
    assert own_code(brings_code) == ("model theirs/model",)
    assert [ref.name for ref in spec_of(known).needed_plugins] == ["standard"]


@pytest.mark.parametrize(
    ("own", "words"),
    [((), "declared"), (("theirs",), "own code: theirs"), (None, "not stated")],
)
def test_the_card_says_whose_code_ran_where_it_is_known(
    own: tuple[str, ...] | None, words: str
) -> None:
    record = ResultRecord.model_validate(Submission().record).with_values(own_code=own)
    assert record.code == words
    assert (words in card(record, load_challenge("finance"))) is (own is not None)


def test_a_spec_of_audited_components_runs_without_the_plugin_that_proposed_it(
    install_plugin: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("harness_standard")
    pytest.importorskip("harness_smollm2_dora")
    with monkeypatch.context() as installed:
        module = install_plugin("theirs", RECIPE)
        spec = resolve(Request("theirs"), this_machine()).spec
        assert [ref.name for ref in spec.plugins] == ["smollm2-dora", "standard", "theirs"]
        assert own_code(spec) == ()
        installed.delitem(sys.modules, module)
        folder = next(path for path in sys.path if (Path(path) / f"{module}.py").exists())
        installed.setattr(sys, "path", [path for path in sys.path if path != folder])
        loading.load.cache_clear()
        with pytest.raises(PluginError, match="unknown plugin 'theirs'"):
            loading.load("theirs")
        assert load_components(spec).strategy.name == "fedavg"
        assert module not in sys.modules


def test_a_component_s_plugin_must_be_the_one_of_the_spec() -> None:
    pytest.importorskip("harness_standard")
    with pytest.raises(PluginError, match="the run was resolved with"):
        load_components(spec_of("0" * 64))
