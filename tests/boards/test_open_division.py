"""The open division: what may be changed, how it is said, and where its results may not stand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission

from harness.boards.challenge import load_challenge
from harness.boards.open_division import MOST_SUPERNODES, OpenRules, opened
from harness.document import digest_of
from harness.errors import UsageError
from harness.interface import plan
from harness.leaderboard.build import build
from harness.leaderboard.entries.run_entry import run_entry
from harness.planning.recipe_files import read_recipe
from harness.planning.resolve import Request, resolve
from harness.pull_request.table import table_lines
from harness.record.result import ResultRecord
from harness.spec import ChallengeRef
from harness.submissions.check import check
from harness.submissions.strays import strays
from harness.verify.read_submission import read_submission
from harness.verify.targets import find_targets

RULES = OpenRules(partitioner={"kind": "dirichlet", "alpha": 0.3})
WANTED = ("partitioner=dirichlet", "partitioner.alpha=0.3", "supernodes=8", "dataset=me/mine")


def planned(*overrides: str, **more: Any):
    return resolve(Request("smollm2-dora/135m", overrides=overrides, device="cpu", **more))


def open_submission(seed: int = 1, skill: float = 0.6) -> Submission:
    """Return a clean submission of a run over Dirichlet partitions."""
    found = Submission(seed, skill)
    record, challenge = found.record, load_challenge("finance")
    rows = challenge.dataset.pin.rows
    size, longer = divmod(rows, challenge.num_supernodes)
    record["spec"]["open"] = RULES.model_dump(mode="json")
    ref = ChallengeRef.of(opened(challenge, RULES)).model_dump(mode="json")
    record["challenge"] = record["spec"]["challenge"] = ref
    [training] = [item for item in record["data"] if item["kind"] == "training"]
    training["partition_rows"] = [size + (n < longer) for n in range(challenge.num_supernodes)]
    record["eligible"] = False
    record["ineligible_because"] = [
        f"a run of the open division, which changes {RULES.described()}"
    ]
    record["spec_digest"] = digest_of(ResultRecord.model_validate(record).spec)
    found.rename()
    return found


def errors(folder: Path) -> list[str]:
    [target] = find_targets(folder)
    return [f"{item.rule}: {item.found} | {item.expected}" for item in check(target).findings
            if item.severity == "error"]  # fmt: skip


def test_what_the_closed_division_fixes_is_changed_on_the_command_line() -> None:
    found = planned(*WANTED, division="open")
    assert found.violations == ()
    assert found.spec.division == "open"
    assert found.spec.open.model_dump(mode="json") == {
        "num_supernodes": 8,
        "partitioner": {"kind": "dirichlet", "alpha": 0.3},
        "dataset": "me/mine",
    }
    assert found.challenge.num_supernodes == 8
    assert found.challenge.partitioner.shuffle_seed == 42, "the board's own"
    assert found.spec.challenge.digest == digest_of(found.challenge)
    assert found.spec.challenge.digest != digest_of(load_challenge("finance"))
    assert "--division open" in " ".join(Request("p", division="open").command(found.spec))


def test_the_closed_division_keeps_what_it_fixes_and_says_where_it_may_be_changed() -> None:
    rules = [item.rule for item in planned(*WANTED).violations]
    assert rules == ["static-values"] * 4
    assert "--division open" in planned(WANTED[0]).violations[0].expected
    kept = planned("communication.limit_mib=1", "min_clients=1", division="open").violations
    assert [item.rule for item in kept] == ["static-values"] * 2, "these stay in both"
    closed = planned().spec
    assert closed.division == "closed"
    assert "open" not in closed.model_dump()


def test_a_recipe_file_and_python_say_it_too(tmp_path: Path) -> None:
    text = """
        model = "smollm2-dora/smollm2-135m-instruct"
        division = "open"
        [peft]
        name = "standard/lora"
        [strategy]
        name = "standard/fedavg"
        [train]
        rounds = 2
        [open]
        num_supernodes = 4
        partitioner = { kind = "pathological", classes = 1 }
    """
    file = tmp_path / "mine.toml"
    file.write_text("\n".join(line.strip() for line in text.splitlines()))
    assert read_recipe(file).division == "open"
    found = plan(file, device="cpu")
    assert (found.violations, found.spec.open.num_supernodes) == ((), 4)
    closed = plan(file, device="cpu", division="closed")
    assert "the recipe changes num_supernodes=4" in closed.violations[0]
    python = plan("smollm2-dora", device="cpu", division="open", num_supernodes=7)
    assert python.spec.open.num_supernodes == 7


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "natural"}, "kind"),
        ({"kind": "dirichlet", "alpha": 0.0}, "alpha"),
        ({"kind": "dirichlet", "by": "label"}, "expected a column of the training data"),
        ({"kind": "iid", "alpha": 0.5}, "alpha"),
        ({"kind": "dirichlet", "shuffle_seed": 1}, "leave it out"),
        ({}, "set partitioner="),
        ({"alpha": 0.5}, "partitioner.alpha: of which partitioner; set partitioner="),
    ],
)
def test_a_partitioner_that_is_none_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        opened(load_challenge("finance"), OpenRules(partitioner=values))


def test_a_run_has_2_to_10_000_supernodes() -> None:
    for count in (2, MOST_SUPERNODES):
        assert planned(f"num_supernodes={count}", division="open").challenge.num_supernodes == count
    for count in (1, MOST_SUPERNODES + 1):
        with pytest.raises(UsageError, match=f"--set num_supernodes={count}"):
            planned(f"num_supernodes={count}", division="open")
    assert MOST_SUPERNODES == 10_000


def test_an_open_run_has_a_folder_and_a_table_of_its_own(tmp_path: Path) -> None:
    tree = tmp_path / "submissions"
    open_submission(1, 0.9).write(tree / "finance-open" / "zz-mine")
    Submission(2, 0.5).write(tree / "finance" / "yy-other")
    assert errors(tree / "finance-open" / "zz-mine") == []
    assert list(strays(tree, list(find_targets(tree)))) == []
    files, refused = build(tree)
    assert refused == []
    for name in ("leaderboard.csv", "README.md", "leaderboard.json", "entries.js", "index.html"):
        assert "zz-mine" not in files[f"finance/{name}"]
        assert "zz-mine" in files[f"finance-open/{name}"]
        assert "yy-other" not in files[f"finance-open/{name}"]
    [entry] = json.loads(files["finance-open/leaderboard.json"])["entries"]
    assert (entry["status"], entry["rank_group"]) == ("not eligible", None)
    assert "open division" in files["finance-open/README.md"]
    assert entry["changes"] == RULES.described() == "partitioner=dirichlet(alpha=0.3)"
    [row] = csv.DictReader(io.StringIO(files["finance-open/leaderboard.csv"]))
    assert row["Changes"] == RULES.described()
    assert "| partitioner=dirichlet\\(alpha=0.3\\) |" in files["finance-open/README.md"]
    assert f'class="text">{RULES.described()}</td>' in files["finance-open/index.html"]
    assert RULES.described() in files["finance-open/entries.js"]
    for of_ranks in ("one group", 'id="history"', 'data-key="group"'):
        assert of_ranks in files["finance/index.html"]
        assert of_ranks not in files["finance-open/index.html"]
    assert "Changes" not in files["finance/leaderboard.csv"]
    assert any(f"Changes {RULES.described()}" in line for line in table_lines(tree))
    assert "general-nlp-open/README.md" not in files


def test_a_table_shows_120_characters_of_what_a_run_changes(tmp_path: Path) -> None:
    folder = open_submission().write(tmp_path / "submissions" / "finance-open" / "mine")
    read, _ = read_submission(next(find_targets(folder)))
    assert read is not None

    def changes(**update: Any) -> str:
        spec = read.record.spec.model_copy(update=update)
        record = read.record.model_copy(update={"spec": spec})
        return run_entry(replace(read, record=record), ()).changes

    assert changes(evaluation_rows=20) == "partitioner=dirichlet(alpha=0.3), 20 rows of each set"
    for more, end in ((0, ""), (1, "…")):
        dataset = OpenRules(dataset=f"me/{'x' * (109 + more)}")
        assert len(dataset.described()) == 120 + more
        assert changes(open=dataset) == dataset.described()[:120] + end
    assert changes(open=None) == ""


def test_an_open_result_is_refused_on_a_closed_board(tmp_path: Path) -> None:
    folder = open_submission().write(tmp_path / "submissions" / "finance" / "ours")
    assert errors(folder) == [
        "place: submissions/finance | submissions/finance-open, the folder of the open division"
    ]
    closed = Submission().write(tmp_path / "submissions" / "finance-open" / "theirs")
    assert errors(closed) == ["place: submissions/finance-open | submissions/finance"]


def drop_division(record: dict[str, Any]) -> None:
    del record["spec"]["open"]
    record["spec_digest"] = digest_of(ResultRecord.model_validate(record).spec)


def claim_closed_rules(record: dict[str, Any]) -> None:
    ref = ChallengeRef.of(load_challenge("finance")).model_dump(mode="json")
    record["challenge"] = record["spec"]["challenge"] = ref
    drop_division(record)


def change_a_size(record: dict[str, Any]) -> None:
    [training] = [item for item in record["data"] if item["kind"] == "training"]
    training["partition_rows"][record["federation"]["rounds"][0]["partitions"][0]] += 1


def drop_sizes(record: dict[str, Any]) -> None:
    [training] = [item for item in record["data"] if item["kind"] == "training"]
    del training["partition_rows"]


def say_eligible(record: dict[str, Any]) -> None:
    record["eligible"], record["ineligible_because"] = True, []


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (drop_division, {"challenge-digest", "partitions", "eligible"}),
        (claim_closed_rules, {"partitions", "eligible"}),
        (change_a_size, {"partitions", "examples"}),
        (drop_sizes, {"partitions", "examples"}),
        (say_eligible, {"eligible"}),
    ],
)
def test_an_open_result_that_pretends_to_be_closed_is_refused(
    change: Callable[[dict[str, Any]], None], rules: set[str], tmp_path: Path
) -> None:
    changed = open_submission()
    change(changed.record)
    name = "finance-open" if "open" in changed.record["spec"] else "finance"
    found = errors(changed.write(tmp_path / "submissions" / name / "ours"))
    assert {item.partition(":")[0] for item in found} >= rules
