"""What was not set is as the recipe has it, and code is of the version that it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clean_submission import KeptSubmission, Submission

from harness.document import canonical_json, sha256_text
from harness.planning.resolve import Request, resolve
from harness.plugins.loading import load
from harness.submissions.check import verify
from harness.verify.independent.known_recipes import known_recipe, known_recipes, values_of
from harness.verify.report import Report

ENTRY = Path(__file__).resolve().parents[3] / "submissions/finance/smollm2-135m-dora-r2"
HERE = "submissions/finance/entry"


def judged(entry: Submission, folder: Path) -> Report:
    """Verify a record whose spec was changed, every digest forged."""
    entry.record["spec_digest"] = sha256_text(canonical_json(entry.record["spec"]))
    entry.rename()
    for item in entry.evidence.values():
        item["spec_digest"] = entry.record["spec_digest"]
    return verify([entry.write(folder / HERE)])


def found(report: Report) -> set[str]:
    return {item.rule for item in report.findings if item.severity == "error"}


@pytest.fixture
def entry() -> KeptSubmission:
    kept = KeptSubmission(ENTRY)
    # Evidence names the spec's digest; without it a change is found by nothing but its meaning.
    for name in [name for name in kept.kept if name.startswith(("ladder", "evidence"))]:
        del kept.kept[name]
    return kept


@pytest.mark.parametrize("name", sorted(load("smollm2-dora").recipes))
def test_recipes_of_this_repository_are_known(name: str) -> None:
    """After a change of a recipe: `python bench/known_recipes.py`."""
    spec = resolve(Request(plugin=f"smollm2-dora/{name}", device="cpu", threads=1)).spec
    known = known_recipe(spec)
    assert known is not None
    assert known.values == values_of(spec)


def test_what_was_set_may_differ_from_the_recipe_and_nothing_else(
    entry: KeptSubmission, tmp_path: Path
) -> None:
    assert found(judged(entry, tmp_path)) == set()


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("train", "max_grad_norm", 0.5),
        ("train", "batch_size", 8),
        ("train", "seq_length", 256),
        ("train", "weight_decay", 0.1),
        ("model", "licence", "mit"),
        ("model", "tied_embeddings", False),
    ],
)
def test_a_setting_that_no_command_names_is_found(
    entry: KeptSubmission, part: str, name: str, value: Any, tmp_path: Path
) -> None:
    entry.record["spec"][part][name] = value
    assert found(judged(entry, tmp_path)) == {"recipe"}


def test_another_state_of_the_plugin_is_taken_as_stated_and_said(
    entry: KeptSubmission, tmp_path: Path
) -> None:
    stated = judged(entry, tmp_path).verdicts[0].stated
    assert not any(line.startswith("the settings of") for line in stated)
    digest = "0" * 64
    for plugins in (entry.record["spec"]["plugins"], entry.record["plugins"]):
        plugins[0] |= {"version": "9.9", "digest": digest}
    entry.record["spec"]["train"]["max_grad_norm"] = 0.5
    report = judged(entry, tmp_path)
    assert found(report) == set()
    settings = "the settings of smollm2-dora/135m: no recipe that is known here"
    assert settings in report.verdicts[0].stated


def test_rounds_that_nobody_replayed_are_counted(tmp_path: Path) -> None:
    line = "the updates and aggregates of {} of 3 rounds: they were not replayed"
    assert line.format(3) in verify([Submission().write(tmp_path / HERE)]).verdicts[0].stated
    assert line.format(2) in verify([ENTRY]).verdicts[0].stated


def test_a_level_is_as_its_evidence_says(tmp_path: Path) -> None:
    def levels(folder: Path) -> list[str]:
        stated = verify([folder]).verdicts[0].stated
        return [line for line in stated if line.startswith("the level ")]

    says = (
        "the level round-replayed: evidence/round-replayed.json says so, and the command repeats it"
    )
    assert levels(ENTRY) == [says]
    assert levels(Submission().write(tmp_path / HERE)) == []


def test_a_text_prompt_has_no_message_that_only_a_chat_would_use(tmp_path: Path) -> None:
    for name, rules in (("system", {"templates"}), ("user", {"templates"})):
        s = Submission()
        s.respec(lambda spec, name=name: spec["train"]["prompt"].update({name: "Be right."}))
        assert found(judged(s, tmp_path)) == rules
        s.respec(lambda spec: spec["train"]["prompt"].update(style="chat"))
        assert found(judged(s, tmp_path)) == set()


def test_a_development_version_is_of_the_digest_that_it_names(tmp_path: Path) -> None:
    s = Submission()
    code = s.record["environment"]["harness"]
    cases: list[tuple[str, set[str]]] = [(code["digest"][:12], set()), ("0" * 12, {"code-version"})]
    for label, rules in cases:
        version = f"0.2.0.dev0+{label}"
        code["version"] = s.record["environment"]["packages"]["flowertune-harness"] = version
        assert found(verify([s.write(tmp_path / HERE)])) == rules


def test_a_cpu_that_may_not_repeat_itself_says_why(entry: KeptSubmission, tmp_path: Path) -> None:
    device = entry.record["environment"]["device"]
    device["deterministic"] = False
    assert found(judged(entry, tmp_path)) == {"device"}
    device["note"] += "; torch's deterministic algorithms were switched off"
    assert found(judged(entry, tmp_path)) == set()


def test_a_spec_of_no_board_is_a_finding_and_leaves_nothing_behind(tmp_path: Path) -> None:
    known_recipes.cache_clear()
    s = Submission()
    s.record["spec"]["challenge"]["id"] = "no-board"
    assert "spec-agrees" in found(judged(s, tmp_path))
    assert known_recipes.cache_info().currsize == 0
