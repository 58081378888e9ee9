"""Each rule has a fixture that only it rejects, and a clean submission passes all."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clean_submission import COMMAND, Submission, about_json, fake_digest

from harness.boards.challenge import load_challenge
from harness.boards.protocols.labels import LabelProtocol
from harness.document import canonical_json, sha256_text
from harness.record.card import card
from harness.record.ladder import score_digest
from harness.record.result import ResultRecord
from harness.submissions.check import verify
from harness.verify.all_rules import RULES
from harness.verify.files.adapter_weights import read_adapter_weights

FOLDER = "submissions/finance/pretend"


def broken_by(folder: Path) -> set[str]:
    """Return the ids of the rules that object to a folder."""
    return {item.rule for item in verify([folder]).findings}


def written(tmp_path: Path, *changes: Callable[[Submission], None], folder: str = FOLDER) -> Path:
    submission = Submission()
    for change in changes:
        change(submission)
    return submission.write(tmp_path / folder)


def test_a_clean_submission_is_clean(tmp_path: Path) -> None:
    report = verify([written(tmp_path)])
    assert report.findings == ()
    assert report.clean


def test_a_ladder_with_evidence_is_clean(tmp_path: Path) -> None:
    folder = written(tmp_path, climb)
    assert verify([folder]).findings == ()


def measure(submission: Submission, known: bool = True) -> None:
    """Say of each round how its aggregate depends on its clients, as an honest run does."""
    for item in rounds_of(submission):
        item["dependence"] = {
            "start": 0.0,
            "derived": 0.0 if known else None,
            "together": None if known else 1.0,
            "unmoved": None if known else 0.0,
        }
        for client in item["clients"]:
            client["trained_influence"] = 1.0
            client["influence"] = None if known else 0.2
    submission.rechain()


ISOLATION = {
    "policy": "auto",
    "federation": {"files": "Landlock", "network": "own network namespace",
                   "processes": "own process namespace", "signals": "own process namespace",
                   "landlock": 7, "missing": []},
}  # fmt: skip
"""What held the plugins of a run on a machine that lacks nothing."""


def of_today(submission: Submission) -> None:
    """Say whose code ran, what held it and what it drew, as a record of today does."""
    submission.record["own_code"] = ["standard"]
    submission.record["isolation"] = ISOLATION
    submission.record["energy"] = {
        "parts": [], "measured_s": 0.0, "notes": ["no counter"], "factor": None,
        "joules": None, "estimated": False, "co2_grams": None,
    }  # fmt: skip


def unmeasured(submission: Submission) -> None:
    """Leave out what older records lack: dependence, and whose code ran."""
    del submission.record["own_code"]
    for item in rounds_of(submission):
        del item["dependence"]
        for client in item["clients"]:
            del client["influence"], client["trained_influence"]


def rounds_of(submission: Submission) -> list[dict[str, Any]]:
    rounds: list[dict[str, Any]] = submission.record["federation"]["rounds"]
    return rounds


def score_of(submission: Submission, task: str) -> dict[str, Any]:
    return next(score for score in submission.record["scores"] if score["task"] == task)


def climb(submission: Submission) -> None:
    """Earn a rung with evidence: a replayed round."""
    record = submission.record
    evidence = {
        "level": "round-replayed",
        "date": "2026-04-02T12:00:00Z",
        "command": "harness reproduce --round 2",
        "spec_digest": record["spec_digest"],
        "adapter_sha256": record["adapter"]["sha256"],
        "compared": {"round 2": rounds_of(submission)[1]["aggregate_sha256"]},
        "packages": {"torch": "2.13.0"},
        "device": "cpu",
    }
    submission.evidence["round-replayed"] = evidence
    relink_evidence(submission)


def relink_evidence(submission: Submission) -> None:
    data = submission.files()["evidence/round-replayed.json"]
    submission.ladder = [
        {
            "level": "round-replayed",
            "date": "2026-04-02T12:00:00Z",
            "command": "harness reproduce --round 2",
            "digest": hashlib.sha256(data).hexdigest(),
        }
    ]


def another_strategy(spec: dict[str, Any], name: str) -> None:
    spec["strategy"]["name"] = name


def halve(s: Submission) -> None:
    """Let every message be half of the adapter."""
    size = s.record["communication"]["message_bytes"] // 2
    total = 0
    for item in rounds_of(s):
        item["message_bytes_down"] = item["message_bytes_up"] = size
        item["bytes_down"] = item["bytes_up"] = size * len(item["clients"])
        for client in item["clients"]:
            client["bytes_up"] = size
        total += item["bytes_down"] + item["bytes_up"]
    s.record["communication"]["bytes_total"] = total
    s.rechain()


def reevaluated(submission: Submission) -> None:
    """Earn the rung of a repeated evaluation."""
    record = submission.record
    command, date = "harness reproduce submissions/finance/x --evaluation", "2026-04-03T08:00:00Z"
    submission.evidence["re-evaluated"] = {
        "level": "re-evaluated", "date": date, "command": command,
        "spec_digest": record["spec_digest"], "adapter_sha256": record["adapter"]["sha256"],
        "compared": {s["task"]: f"{s['correct']}/{s['examples']}" for s in record["scores"]},
        "packages": {"torch": "2.13.0"}, "device": "x86_64",
    }  # fmt: skip
    seal_rung(submission)


def seal_rung(submission: Submission) -> None:
    """Let the ladder name the evidence of a repeated evaluation as it is now."""
    data = submission.files()["evidence/re-evaluated.json"]
    item = submission.evidence["re-evaluated"]
    submission.ladder = [
        {"level": item["level"], "date": item["date"], "command": item["command"],
         "digest": hashlib.sha256(data).hexdigest()}
    ]  # fmt: skip


def test_a_repeated_evaluation_earns_its_rung_only_whole(tmp_path: Path) -> None:
    """All sets must have come out the same; a tolerance has no meaning for answers."""
    assert broken_by(written(tmp_path / "whole", reevaluated)) == set()

    def part(s: Submission) -> None:
        reevaluated(s)
        del s.evidence["re-evaluated"]["compared"]["fpb"]
        seal_rung(s)

    def tolerated(s: Submission) -> None:
        reevaluated(s)
        s.evidence["re-evaluated"] |= {"tolerance": 0.01, "difference": 0.001}
        s.evidence["re-evaluated"]["compared"]["fpb"] = "1/1212"
        seal_rung(s)

    assert broken_by(written(tmp_path / "part", part)) == {"evidence"}
    assert broken_by(written(tmp_path / "tolerated", tolerated)) == {"evidence"}


# One fixture a rule: what to change in a clean submission so that only this rule objects.
FIXTURES: dict[str, Callable[[Submission], None]] = {}


def fixture(rule: str) -> Callable[[Callable[[Submission], None]], Callable[[Submission], None]]:
    def add(change: Callable[[Submission], None]) -> Callable[[Submission], None]:
        assert rule not in FIXTURES
        FIXTURES[rule] = change
        return change

    return add


@fixture("known-files")
def _(s: Submission) -> None:
    s.extra["adapter/adapter_model.bin"] = b"\x80\x04."


@fixture("file-size")
def _(s: Submission) -> None:
    s.extra["README.md"] = b" " * 300_000


@fixture("readable")
def _(s: Submission) -> None:
    s.extra["README.md"] = b"\xff\xfe not UTF-8"


@fixture("card")
def _(s: Submission) -> None:
    s.card = "# The best model\n\nAverage: 99 %\n"


@fixture("plot")
def _(s: Submission) -> None:
    s.extra["loss.png"] = b"<html><script>alert(1)</script></html>"


@fixture("about")
def _(s: Submission) -> None:
    s.extra["about.json"] = about_json(date="2026-01-01T00:00:00Z")


@fixture("command")
def _(s: Submission) -> None:
    """Another rate than the run's; the card is of this command."""
    command = (*COMMAND, "--set", "learning_rate_max=0.5")
    s.extra["about.json"] = about_json(command=command)
    s.card = card(ResultRecord.model_validate(s.record), load_challenge("finance"), command)


@fixture("schema")
def _(s: Submission) -> None:
    s.record["surprise"] = 1


@fixture("digest-form")
def _(s: Submission) -> None:
    s.record["adapter"]["sha256"] = s.record["adapter"]["sha256"].upper()


@fixture("challenge-digest")
def _(s: Submission) -> None:
    def change(spec: dict[str, Any]) -> None:
        spec["challenge"]["digest"] = fake_digest("another")

    s.respec(change)
    s.record["challenge"]["digest"] = fake_digest("another")


@fixture("spec-digest")
def _(s: Submission) -> None:
    s.record["spec_digest"] = fake_digest("another spec")
    s.rename()


@fixture("spec-agrees")
def _(s: Submission) -> None:
    s.record["plugins"] = s.record["plugins"][:1]


@fixture("chain-digest")
def _(s: Submission) -> None:
    rounds_of(s)[-1]["aggregation_error"] = 0.5


@fixture("chain-link")
def _(s: Submission) -> None:
    from harness.record.federation import RoundRecord

    last = rounds_of(s)[-1]
    last["previous_digest"] = fake_digest("elsewhere")
    last["digest"] = RoundRecord.model_validate(last).chain_digest()


@fixture("supernodes")
def _(s: Submission) -> None:
    s.record["federation"]["num_supernodes"] = 20


@fixture("partitions")
def _(s: Submission) -> None:
    s.record["data"][0]["partition_rows"] = [1535] * 50


@fixture("client-ranks")
def _(s: Submission) -> None:
    s.respec(lambda spec: spec.update(client_ranks=[4] * 50))


@fixture("roster")
def _(s: Submission) -> None:
    s.record["federation"]["roster_sha256"] = sha256_text(canonical_json(list(range(1, 51))))


@fixture("rounds")
def _(s: Submission) -> None:
    removed = rounds_of(s).pop()
    s.record["communication"]["bytes_total"] -= removed["bytes_down"] + removed["bytes_up"]


@fixture("sampling")
def _(s: Submission) -> None:
    item = rounds_of(s)[1]
    # Another partition of the same size takes the place of the last one.
    last = item["clients"][-1]
    free = next(p for p in range(22, 50) if p not in item["partitions"] and p > 21)
    was = last["partition"]
    item["partitions"] = sorted([p for p in item["partitions"] if p != was] + [free])
    last["partition"] = free
    last["examples"] = 1535
    item["clients"].sort(key=lambda client: client["partition"])
    weigh(item)
    s.rechain()


def weigh(item: dict[str, Any]) -> None:
    total = sum(c["examples"] for c in item["clients"])
    item["train_loss"] = sum(c["train_loss"] * c["examples"] for c in item["clients"]) / total


@fixture("clients")
def _(s: Submission) -> None:
    item = rounds_of(s)[0]
    item["clients"].reverse()
    weigh(item)
    s.rechain()


@fixture("examples")
def _(s: Submission) -> None:
    item = rounds_of(s)[0]
    item["clients"][0]["examples"] = 10
    weigh(item)
    s.rechain()


@fixture("train-loss")
def _(s: Submission) -> None:
    rounds_of(s)[0]["train_loss"] *= 0.9
    s.rechain()


@fixture("learning-rate")
def _(s: Submission) -> None:
    rounds_of(s)[0]["learning_rate"] *= 1.01
    s.rechain()


@fixture("updates-differ")
def _(s: Submission) -> None:
    rounds_of(s)[1]["aggregate_sha256"] = rounds_of(s)[0]["aggregate_sha256"]
    s.rechain()


@fixture("aggregation-error")
def _(s: Submission) -> None:
    rounds_of(s)[0]["aggregation_error"] = None
    s.rechain()


@fixture("dependence")
def _(s: Submission) -> None:
    measure(s)
    rounds_of(s)[1]["dependence"]["derived"] = 0.3
    s.rechain()


@fixture("other-sources")
def _(s: Submission) -> None:
    s.respec(lambda spec: another_strategy(spec, "pretend/own"))
    measure(s, known=False)
    rounds_of(s)[1]["dependence"]["unmoved"] = 1.0
    s.rechain()


@fixture("codec")
def _(s: Submission) -> None:
    rounds_of(s)[0]["clients"][0]["codec_loss"] = 0.01  # of a run without a codec
    s.rechain()


@fixture("privacy")
def _(s: Submission) -> None:
    s.record["privacy"] = {  # of a run whose strategy adds no noise
        "epsilon": 0.5, "delta": 1e-5, "releases": len(rounds_of(s)), "noise_multiplier": 5.0,
        "note": "",
    }  # fmt: skip


@fixture("own-code")
def _(s: Submission) -> None:
    s.record["own_code"] = []  # a plugin named `standard` whose digest nobody has audited


@pytest.mark.parametrize(
    ("silent", "rules"),
    [
        ((), set()),
        (("own_code",), {"own-code"}),
        (("isolation",), {"own-code"}),
        (("own_code", "isolation"), {"own-code"}),
        (("isolation", "energy"), set()),
        (("own_code", "isolation", "energy"), set()),
    ],
)
def test_a_record_of_today_is_not_silent_on_whose_code_ran(
    silent: tuple[str, ...], rules: set[str], tmp_path: Path
) -> None:
    """Null is what a record of before lacks; with a later field beside it, it hides something."""
    s = Submission()
    of_today(s)
    for name in silent:
        s.record[name] = None
    assert broken_by(s.write(tmp_path / FOLDER)) == rules


def test_a_record_of_version_2_names_the_harness_that_ran(tmp_path: Path) -> None:
    s = Submission()
    s.record["environment"]["harness"] = None
    assert broken_by(s.write(tmp_path / FOLDER)) == {"schema"}


@fixture("attempts")
def _(s: Submission) -> None:
    rounds_of(s)[0]["clients"][0]["attempts"] = 10**9


@fixture("message-bytes")
def _(s: Submission) -> None:
    s.record["communication"]["message_bytes_legacy"] += 1


@fixture("round-bytes")
def _(s: Submission) -> None:
    # A half round left out, as published figures often lack it; the total is kept consistent.
    last = rounds_of(s)[-1]
    s.record["communication"]["bytes_total"] -= last["bytes_up"]
    last["bytes_up"] = 0
    s.rechain()


@fixture("stated-bytes")
def _(s: Submission) -> None:
    s.respec(lambda spec: another_strategy(spec, "pretend/alternating"))
    halve(s)


@fixture("total-bytes")
def _(s: Submission) -> None:
    s.record["communication"]["bytes_total"] //= 2


@fixture("limit-bytes")
def _(s: Submission) -> None:
    s.record["communication"]["limit_bytes"] *= 2


@fixture("adapter-size")
def _(s: Submission) -> None:
    s.record["adapter"]["parameters"] -= 1


@fixture("adapter-tensors")
def _(s: Submission) -> None:
    s.record["adapter"]["tensors"].reverse()


@fixture("adapter-shapes")
def _(s: Submission) -> None:
    def change(spec: dict[str, Any]) -> None:
        spec["model"]["layers"] = 3

    s.respec(change)


@fixture("model")
def _(s: Submission) -> None:
    # A small model under the name of one that everybody knows.
    def change(spec: dict[str, Any]) -> None:
        spec["model"]["hub_id"] = "HuggingFaceTB/SmolLM2-1.7B-Instruct"

    s.respec(change)
    s.config["base_model_name_or_path"] = "HuggingFaceTB/SmolLM2-1.7B-Instruct"
    model = next(item for item in s.record["data"] if item["kind"] == "model")
    model["name"] = "HuggingFaceTB/SmolLM2-1.7B-Instruct"


@fixture("adapter-config")
def _(s: Submission) -> None:
    # Peft would give one layer four times the rank; the spec knows nothing of it.
    s.config["rank_pattern"] = {"up_proj": 16}


@fixture("adapter-weights")
def _(s: Submission) -> None:
    s.extra["adapter/adapter_model.safetensors"] = b"PK\x03\x04 a pickle in a zip"


@fixture("tasks")
def _(s: Submission) -> None:
    # A set under another name; its files go with it.
    score_of(s, "fiqa")["task"] = "fiqa2"
    s.generations["fiqa2"] = s.generations.pop("fiqa")


@fixture("score-possible")
def _(s: Submission) -> None:
    score = score_of(s, "fiqa")
    before = score["value"]
    score["value"] = round(before, 4) + 0.0001
    s.record["average"] += (score["value"] - before) / 3


@fixture("score-statistics")
def _(s: Submission) -> None:
    score_of(s, "fpb")["stderr"] /= 2


@fixture("average")
def _(s: Submission) -> None:
    s.record["average"] += 0.01


@fixture("protocol")
def _(s: Submission) -> None:
    score_of(s, "fpb")["protocol"] = "flowertune-finance-generate/0"


@fixture("generations")
def _(s: Submission) -> None:
    score_of(s, "fpb")["generations_sha256"] = fake_digest("other generations")


@fixture("official-rows")
def _(s: Submission) -> None:
    first = s.generations["tfns"][0]
    first[0] = first[0][:-1] + ("0" if first[0][-1] != "0" else "1")
    s.redigest()


@fixture("labels")
def _(s: Submission) -> None:
    s.generations["tfns"][0][3] = {"positive": " negative", "negative": " positive"}.get(
        s.generations["tfns"][0][2], " positive"
    )
    s.redigest()


@fixture("recount")
def _(s: Submission) -> None:
    score_of(s, "tfns")["macro_f1"] += 0.01


@fixture("references")
def _(s: Submission) -> None:
    score_of(s, "tfns")["references"]["empty_answer"] = 0.1


@fixture("leak")
def _(s: Submission) -> None:
    # As if none of the rows that FiQA shares with the training set had been seen.
    score = score_of(s, "fiqa")
    score["leak"] = {
        "exact_rows": 0, "text_rows": 0, "clean_value": score["value"], "clean_examples": 304,
    }  # fmt: skip


@fixture("row-bits")
def _(s: Submission) -> None:
    s.bits = {task: "1" * len(rows) for task, rows in s.generations.items()}


@fixture("created")
def _(s: Submission) -> None:
    s.record["created"] = "2199-01-01T00:00:00Z"
    s.record["run_id"] = s.record["run_id"].replace("20260401T120000Z", "21990101T000000Z")


@fixture("run-id")
def _(s: Submission) -> None:
    # The name of another run of the same minute.
    s.record["run_id"] = "20260401T120000Z-0123abcd-000001"


@fixture("code-version")
def _(s: Submission) -> None:
    # The version of another harness than the one that is said to be installed.
    s.record["environment"]["harness"]["version"] = "0.1.1"


@fixture("timing")
def _(s: Submission) -> None:
    # The published contradiction of the reference entry, in our form: less than its parts.
    moved = s.record["timing"]["federate"] - 1.0
    s.record["timing"]["federate"] = 1.0
    s.record["timing"]["evaluate"] += moved


@fixture("cost")
def _(s: Submission) -> None:
    s.record["cost"]["total"] *= 0.7


@fixture("energy")
def _(s: Submission) -> None:
    part = {"what": "package-0", "method": "rapl", "joules": 900.0, "seconds": 60.0,
            "estimated": False}  # fmt: skip
    of_today(s)
    s.record["energy"] |= {"parts": [part], "measured_s": 60.0, "notes": [], "joules": 90.0}


@fixture("isolation")
def _(s: Submission) -> None:
    of_today(s)
    s.record["isolation"] = {"policy": "auto", "federation": ISOLATION["federation"]
                             | {"files": "open"}}  # fmt: skip


@fixture("versions")
def _(s: Submission) -> None:
    del s.record["environment"]["packages"]["transformers"]


@fixture("device")
def _(s: Submission) -> None:
    s.record["environment"]["device"]["threads"] = 64


@fixture("commit")
def _(s: Submission) -> None:
    s.record["environment"]["git"] = {"commit": "main", "dirty": False}


@fixture("installed-code")
def _a_module_from_elsewhere(s: Submission) -> None:
    s.record["environment"]["foreign_modules"] = ["evil"]
    reason = "modules from outside of the Python environment were imported: evil"
    s.record["eligible"], s.record["ineligible_because"] = False, [reason]


@fixture("data")
def _(s: Submission) -> None:
    s.record["data"] = [item for item in s.record["data"] if item["kind"] != "model"]


@fixture("canonical")
def _a_number_as_text(s: Submission) -> None:
    s.record["communication"]["limit_bytes"] = str(s.record["communication"]["limit_bytes"])


@fixture("identifiers")
def _a_cyrillic_letter(s: Submission) -> None:
    s.record["spec"]["model"]["licence"] = "apache-2.0\nextra: yes"
    s.respec(lambda spec: None)


@fixture("components")
def _a_component_that_does_not_exist(s: Submission) -> None:
    s.respec(lambda spec: spec["strategy"].update(name="standard/fedbest"))


@fixture("templates")
def _a_marker_that_is_not_there(s: Submission) -> None:
    s.respec(lambda spec: spec["train"]["prompt"].update(response_marker="### Answer:"))


@fixture("stated-adapter")
def _a_method_of_ones_own(s: Submission) -> None:
    s.respec(lambda spec: spec["peft"].update(name="pretend/mine"))


@fixture("older-card")
def _an_older_card(s: Submission) -> None:
    s.record["schema_version"] = 1
    for name in ("harness", "foreign_modules", "startup_sha256"):
        del s.record["environment"][name]
    unmeasured(s)
    del s.record["isolation"], s.record["energy"]
    s.card = s._card() + "More.\n"


@fixture("whole-run")
def _a_part_of_the_rows(s: Submission) -> None:
    s.respec(lambda spec: spec.update(evaluation_rows=100_000))
    reason = "only the first 100000 rows of each set were evaluated"
    s.record["eligible"], s.record["ineligible_because"] = False, [reason]


@fixture("eligible")
def _(s: Submission) -> None:
    s.record["environment"]["git"] = {"commit": "a" * 40, "dirty": True}


@fixture("ladder")
def _(s: Submission) -> None:
    climb(s)
    s.ladder[0]["date"] = "2020-01-01T00:00:00Z"
    s.evidence["round-replayed"]["date"] = "2020-01-01T00:00:00Z"
    relink_evidence(s)
    s.ladder[0]["date"] = "2020-01-01T00:00:00Z"


@fixture("evidence")
def _(s: Submission) -> None:
    climb(s)
    s.evidence["round-replayed"]["compared"] = {"round 2": fake_digest("something else")}
    relink_evidence(s)


@pytest.mark.parametrize("rule", sorted(FIXTURES))
def test_only_this_rule_rejects_its_fixture(rule: str, tmp_path: Path) -> None:
    assert broken_by(written(tmp_path, FIXTURES[rule])) == {rule}


def test_plain_files_rejects_a_link(tmp_path: Path) -> None:
    folder = written(tmp_path)
    outside = tmp_path / "secret"
    outside.write_text("not of the submission")
    (folder / "LICENSE").symlink_to(outside)
    assert broken_by(folder) == {"plain-files"}


def test_plain_files_rejects_a_pipe_without_hanging(tmp_path: Path) -> None:
    folder = written(tmp_path)
    os.mkfifo(folder / "evidence.fifo")
    assert broken_by(folder) == {"plain-files"}


def test_manifest_rejects_a_file_that_changed(tmp_path: Path) -> None:
    folder = written(tmp_path)
    path = folder / "README.md"
    path.write_text(path.read_text() + "\n")
    assert broken_by(folder) == {"manifest", "card"}


def test_place_rejects_another_challenge_s_folder(tmp_path: Path) -> None:
    assert broken_by(written(tmp_path, folder="submissions/medical/pretend")) == {"place"}


def test_examples_rejects_rows_left_out(tmp_path: Path) -> None:
    """A set cut to the rows that went well: every number recomputed, the rows are missing."""
    from clean_submission import score_of as scored

    s = Submission()
    s.generations["fiqa"] = s.generations["fiqa"][:100]
    fresh = scored(load_challenge("finance"), "fiqa", s.generations["fiqa"])
    s.record["scores"] = [fresh if i["task"] == "fiqa" else i for i in s.record["scores"]]
    s.record["average"] = sum(i["value"] for i in s.record["scores"]) / 3
    folder = s.write(tmp_path / FOLDER)
    assert broken_by(folder / "result.json") == {"examples-evaluated"}
    assert broken_by(folder) == {"examples-evaluated", "official-rows"}


def test_budget_rejects_a_run_over_the_limit(tmp_path: Path) -> None:
    """An adapter so large that three rounds of it exceed the limit; every byte adds up."""
    for rank, expected in ((10_000_000, {"budget"}), (1_000_000, set())):
        submission = Submission(rank=rank)
        assert broken_by(submission.write(tmp_path / str(rank) / FOLDER)) == expected


def test_answers_that_follow_from_no_text_are_taken_as_stated_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a board whose outputs must be executed, an output may say anything of its answer."""

    def edit(submission: Submission) -> None:
        row = submission.generations["fpb"][0]
        row[3] = next(f" {label}" for label in ("positive", "negative") if label != row[2])
        for task in ("fpb", "fiqa", "tfns"):
            score_of(submission, task)["invalid_rate"] = None  # nothing of an output is read
        submission.redigest()

    folder = written(tmp_path, edit)
    assert broken_by(folder) >= {"labels"}
    monkeypatch.setattr(LabelProtocol, "rederivable", False)
    report = verify([folder])
    assert {item.rule for item in report.findings} == {"stated-answers"}
    assert report.clean


SEPARATE = {"contamination", "measures-agree", "recipe", "run-stages",
    "plain-files", "manifest", "place", "examples-evaluated", "budget", "stated-answers",
    "completions", "output-length",
}  # fmt: skip
"""Rules whose fixture needs more than a change of values; each has its own test above."""


def test_every_rule_has_a_fixture_and_a_source() -> None:
    assert {rule.id for rule in RULES} == set(FIXTURES) | SEPARATE
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.source and rule.title for rule in RULES)


def test_the_rescored_rung_is_what_a_recount_gives(tmp_path: Path) -> None:
    from harness.submissions.check import check
    from harness.verify.targets import find_targets

    folder = written(tmp_path)
    [target] = find_targets(folder)
    subject = check(target).submission
    assert subject is not None

    def rung(digest: str) -> Callable[[Submission], None]:
        def change(s: Submission) -> None:
            s.ladder = [
                {
                    "level": "rescored",
                    "date": "2026-04-01T12:00:00Z",
                    "command": "harness submit pretend",
                    "digest": digest,
                }
            ]

        return change

    assert broken_by(written(tmp_path / "right", rung(score_digest(subject.official)))) == set()
    assert broken_by(written(tmp_path / "wrong", rung(fake_digest("x")))) == {"ladder"}


def test_a_submission_with_its_weights_is_clean(tmp_path: Path) -> None:
    """The file's digest, size, tensors and the last round's aggregate are one thing."""
    submission = Submission()
    submission.add_weights()
    folder = submission.write(tmp_path / FOLDER)
    assert verify([folder]).findings == ()
    name = "adapter/adapter_model.safetensors"
    data = bytearray(submission.extra[name])
    data[-1] ^= 1
    submission.extra[name] = bytes(data)
    assert broken_by(submission.write(tmp_path / "changed" / FOLDER)) == {"adapter-weights"}


def test_digests_of_tensors_are_the_federation_s() -> None:
    """The checker digests a file's bytes; the federation digests arrays; both are one digest."""
    numpy = pytest.importorskip("numpy")
    from harness.federation.wire.tensors import digest_arrays

    arrays = {"b": numpy.arange(6, dtype="<f4").reshape(2, 3), "a": numpy.ones(4, "<f4")}
    pytest.importorskip("safetensors.numpy")
    import tempfile

    from safetensors.numpy import save_file

    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        save_file(arrays, file.name)
        data = Path(file.name).read_bytes()
    _, weights = read_adapter_weights(io.BytesIO(data), len(data), "weights")
    assert weights.tensors_sha256 == digest_arrays(arrays)


def test_partial_messages_are_for_strategies_that_are_not_known_to_move_all(
    tmp_path: Path,
) -> None:
    """A strategy of a plugin may state smaller messages; FedAvg's are the whole adapter."""

    assert broken_by(written(tmp_path / "fedavg", halve)) == {"round-bytes"}
    report = verify([written(tmp_path / "other", FIXTURES["stated-bytes"])])
    assert [item.severity for item in report.findings] == ["warning"]
    assert report.clean


def test_a_record_from_before_a_field_was_added_keeps_its_digests(tmp_path: Path) -> None:
    """Old results stay valid: digests are of the document as it was written."""
    submission = Submission()
    submission.record["schema_version"] = 1
    spec = submission.record["spec"]
    del submission.record["environment"]["harness"]
    del submission.record["environment"]["foreign_modules"]
    del submission.record["environment"]["startup_sha256"]
    del submission.record["isolation"], submission.record["energy"]
    unmeasured(submission)
    for name in ("data", "step_schedule", "warmup_steps"):
        del spec["train"][name]
    for name in ("style", "system", "user"):
        del spec["train"]["prompt"][name]
    submission.record["spec_digest"] = sha256_text(canonical_json(spec))
    submission.rename()
    previous = "0" * 64
    for item in rounds_of(submission):
        del item["message_bytes_down"], item["message_bytes_up"]
        item["previous_digest"] = previous
        body = {k: v for k, v in item.items() if k not in ("duration_s", "digest")}
        body["clients"] = [{k: v for k, v in c.items() if k != "attempts"} for c in item["clients"]]
        item["digest"] = previous = sha256_text(canonical_json(body))
    folder = submission.write(tmp_path / FOLDER)
    assert verify([folder]).findings == ()
    # No harness ever left out one of these fields and wrote the others.
    spec["train"]["warmup_steps"] = 0
    submission.record["spec_digest"] = sha256_text(canonical_json(spec))
    submission.rename()
    assert broken_by(submission.write(tmp_path / "partly" / FOLDER)) == {"canonical"}
