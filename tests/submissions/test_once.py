"""One entry, once: a copy is found whatever was renamed; the entry that git knew first is named."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clean_submission import KeptSubmission, Submission, fake_digest, safetensors

from harness.document import pretty_json
from harness.leaderboard.build import build
from harness.submissions.check import verify
from harness.verify.read_submission import seal
from harness.verify.report import Finding

ROOT = Path(__file__).resolve().parents[2]
CLAIM = ROOT / "submissions/finance/ethicalabs-smollm2-1.7b"
RUN = ROOT / "submissions/finance/smollm2-135m-dora-r2"


def tree(tmp_path: Path) -> Path:
    """Return a tree with one honest entry."""
    Submission(1).write(tmp_path / "submissions/finance/first")
    return tmp_path / "submissions"


def twice(root: Path, *paths: Path) -> list[Finding]:
    found = verify(paths or [root]).findings
    assert {item.rule for item in found} <= {"once", "claim"}, found
    return [item for item in found if item.rule == "once"]


def renamed(s: Submission) -> None:
    """Another run id of the same spec, on another day."""
    s.record["created"] = "2026-04-02T12:00:00+00:00"
    s.record["run_id"] = f"20260402T120000Z-{s.record['spec_digest'][:8]}-ffffff"


def resaved(s: Submission) -> None:
    """The adapter's file written again, with a header of other spaces: another digest."""
    renamed(s)
    s.record["adapter"]["sha256"] = fake_digest("saved again")


def of_answers_alone(s: Submission) -> None:
    """Everything of the training invented anew, and only the answers taken."""
    resaved(s)
    s.respec(lambda spec: spec.update(recipe="mine"))
    for item in s.record["federation"]["rounds"]:
        item["aggregate_sha256"] = fake_digest("invented", item["round"])
        for client in item["clients"]:
            client["update_sha256"] = fake_digest("invented", item["round"], client["partition"])
    s.rechain()
    renamed(s)


def of_all_answers_but_one(s: Submission) -> None:
    of_answers_alone(s)
    row = next(row for row in s.generations["fiqa"] if row[1] != row[2])
    row[2], row[3] = row[1], f" {row[1]}"
    s.recount()


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        (lambda s: None, "run id, adapter, last round, last aggregate, answers"),
        (renamed, "adapter, last round, last aggregate, answers"),
        (resaved, "last round, last aggregate, answers"),
        (of_answers_alone, "answers"),
        (of_all_answers_but_one, "answers of fpb, answers of tfns"),
    ],
)
def test_a_copy_is_found_by_what_is_left_of_its_source(
    change: Callable[[Submission], None], shared: str, tmp_path: Path
) -> None:
    root = tree(tmp_path)
    copy = Submission(1)
    change(copy)
    folder = copy.write(root / "finance/second")
    [whole] = twice(root)
    assert whole.path == str(folder)
    assert whole.found == f"{shared} of submissions/finance/first"
    assert "submissions/finance/first was first" in whole.expected
    [alone] = twice(root, folder)
    assert alone == whole
    assert twice(root, root / "finance/first") == []
    assert not verify([root]).clean


def test_log_likelihoods_tell_a_copy_in_which_every_set_has_another_answer(tmp_path: Path) -> None:
    """Their digits are those of one adapter, whatever the answers are made to be."""
    root = tmp_path / "submissions"
    shutil.copytree(RUN, root / "finance/first")
    copy = KeptSubmission(RUN)
    of_answers_alone(copy)
    copy.record["created"] = "2026-11-27T12:00:00+00:00"
    for task in ("fpb", "fiqa", "tfns"):
        name = f"generations/{task}.jsonl"
        right = b'"target": "positive", "label": "positive"'
        copy.kept[name] = copy.kept[name].replace(right, right.replace(b'l": "pos', b'l": "neg'), 1)
    folder = copy.write(root / "finance/second")
    for paths in ([root], [folder]):
        [found] = [item for item in verify(paths).findings if item.rule == "once"]
        shared = ", ".join(f"log-likelihoods of {task}" for task in ("fiqa", "fpb", "tfns"))
        assert found.found == f"{shared} of submissions/finance/first"


def test_two_honest_entries_of_one_recipe_are_two(tmp_path: Path) -> None:
    root = tree(tmp_path)
    folder = Submission(2).write(root / "finance/second")
    assert twice(root) == twice(root, folder) == []


@pytest.mark.parametrize(("others", "shared"), [(0, 0), (29, 0), (30, 1)])
def test_two_models_that_answer_nearly_every_row_alike_are_no_copies(
    others: int, shared: int, tmp_path: Path
) -> None:
    def collapsed(seed: int) -> Submission:
        s = Submission(seed)
        for rows in s.generations.values():
            for row in rows:
                row[2], row[3] = "neutral", " neutral"
        fiqa = s.generations["fiqa"][100 * seed : 100 * seed + others]
        for row in s.generations["fpb"][:others] + fiqa:
            row[2], row[3] = "positive", " positive"
        s.recount()
        return s

    root = tmp_path / "submissions"
    for seed in (1, 2):
        collapsed(seed).write(root / f"finance/seed-{seed}")
    found = [item.found for item in twice(root)]
    assert found == ["answers of fpb of submissions/finance/seed-1"] * shared


def test_one_run_under_four_names_is_one_entry_and_one_row_of_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    root = tree(tmp_path)
    for name in ("a", "b", "c"):
        shutil.copytree(root / "finance/first", root / f"finance/{name}")
    found = twice(root)
    assert len(found) == 3
    for _ in ("cold", "warm"):
        files, refused = build(root)
        entries = json.loads(files["finance/leaderboard.json"])["entries"]
        assert sum(item["kind"] == "run" for item in entries) == 1
        assert len(refused) == 3
        assert all("of submissions/finance/a" in text for text in refused)


def git(folder: Path, *arguments: str, date: str = "2026-05-01T12:00:00Z") -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    environment = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date, "PATH": "/usr/bin:/bin"}
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, env=environment,
                   capture_output=True)  # fmt: skip


def test_the_entry_that_git_knew_first_is_named_whatever_dates_are_written(tmp_path: Path) -> None:
    """The copy has an earlier name, an earlier date in its record and an earlier commit date."""
    root = tmp_path / "submissions"
    source = Submission(1)
    renamed(source)
    source.write(root / "finance/source")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=one")
    Submission(1).write(root / "finance/copy")
    [found] = twice(root)
    assert found.path.endswith("finance/copy")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=two", date="2020-01-01T00:00:00Z")
    [found] = twice(root)
    assert found.path.endswith("finance/copy")
    assert found.expected.endswith("source was first, by git's history")
    # An old folder whose record became another one's is no older than the record.
    shutil.rmtree(root / "finance/copy")
    Submission(2).write(root / "finance/older")
    Submission(3).write(root / "finance/victim")
    for name in ("older", "victim"):
        git(tmp_path, "add", f"submissions/finance/{name}")
        git(tmp_path, "commit", "--quiet", f"--message={name}")
    Submission(3).write(root / "finance/older")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=taken")
    [found] = twice(root)
    assert found.path.endswith("finance/older")


def test_without_git_the_date_in_the_record_decides_and_that_is_said(tmp_path: Path) -> None:
    root = tree(tmp_path)
    copy = Submission(1)
    renamed(copy)
    copy.write(root / "finance/a-copy")
    [found] = twice(root)
    assert found.path.endswith("a-copy")
    assert found.expected.endswith("by the date in its record, as git knows neither")


def test_where_nothing_tells_which_was_first_that_is_said(tmp_path: Path) -> None:
    root = tree(tmp_path)
    Submission(1).write(root / "finance/a-copy")
    [found] = twice(root)
    assert found.expected.endswith(
        "by its name alone: the dates are the same, and git knows neither"
    )


def test_where_git_does_not_tell_a_folder_found_wanting_takes_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another's record alone, with an earlier date and name, takes nobody off the board."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    root = tree(tmp_path)
    copy = json.loads((root / "finance/first/result.json").read_text())
    copy["created"] = "2026-03-30T12:00:00+00:00"
    (root / "finance/a-copy").mkdir()
    (root / "finance/a-copy/result.json").write_text(pretty_json(copy))
    [found] = [item for item in verify([root]).findings if item.rule == "once"]
    assert found.path.endswith("a-copy")
    assert found.expected.endswith("as nothing else is found wanting of it, and git knows neither")
    for _ in ("cold", "warm"):
        files, refused = build(root)
        assert len(refused) == 1
        assert "finance/entries/first.js" in files


def claim(root: Path, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    value = json.loads((CLAIM / "claim.json").read_text())
    value["name"] = name
    change(value)
    folder = root / "finance" / name
    folder.mkdir(parents=True)
    (folder / "claim.json").write_text(pretty_json(value))
    return folder


def without_files(value: dict[str, Any]) -> None:
    for item in value["sets"]:
        item["recount"] = None


def retouched(value: dict[str, Any]) -> None:
    """Other words, other generations, the figures of the same README."""
    without_files(value)
    value["unread"] = ["something"]


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        (lambda value: value.update(imported="2026-12-01T00:00:00+00:00"), "content"),
        (retouched, "README.md"),
        (lambda value: value.update(unread=["mine"]), "generations of fpb"),
    ],
)
def test_a_claim_is_filed_once(
    change: Callable[[dict[str, Any]], None], shared: str, tmp_path: Path
) -> None:
    root = tmp_path / "submissions"
    claim(root, "a-first", lambda value: None)
    folder = claim(root, "b-second", change)
    [whole] = twice(root)
    assert whole.path == str(folder)
    assert shared in whole.found
    assert twice(root, folder) == [whole]


def of_answers(run: Submission, imported: str) -> Callable[[dict[str, Any]], None]:
    """Let a claim state a run's answers, in generations of its own."""

    def change(value: dict[str, Any]) -> None:
        value["imported"] = imported
        for item in value["sets"]:
            count, rows = item["recount"], run.generations[item["task"]]
            count["bits"] = "".join("1" if row[1] == row[2] else "0" for row in rows)
            count["correct"] = count["bits"].count("1")
            count["sha256"] = fake_digest(imported, item["task"])
            value["files"][count["file"]] = count["sha256"]
        value["files"]["README.md"] = fake_digest("README of", imported)

    return change


@pytest.mark.parametrize("hour", ["11", "13"])
def test_a_claim_s_answers_filed_as_a_run_are_found_and_the_reverse(
    hour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "submissions"
    run = Submission(1).write(root / "finance/run")
    of_run = of_answers(Submission(1), f"2026-04-01T{hour}:00:00+00:00")
    claimed = claim(root, "claimed", of_run)
    later, first = (run, claimed) if hour == "11" else (claimed, run)
    [found] = twice(root)
    assert found.path == str(later)
    place = "/".join(first.parts[-3:])
    assert found.found == f"answers of fiqa, answers of fpb, answers of tfns of {place}"
    assert twice(root, later) == [found]
    assert twice(root, first) == []
    for _ in ("cold", "warm"):
        [refused] = build(root)[1]
        assert refused.startswith(f"{later}: answers of fiqa")


def test_claims_and_runs_that_say_one_word_are_no_copies(tmp_path: Path) -> None:
    run = Submission(1)
    for rows in run.generations.values():
        for row in rows:
            row[2], row[3] = "neutral", " neutral"
    run.recount()
    root = tmp_path / "submissions"
    run.write(root / "finance/run")
    for number in (1, 2):
        claim(root, f"claim-{number}", of_answers(run, f"2026-05-0{number}T12:00:00+00:00"))
    assert twice(root) == []


def test_claims_of_two_projects_are_two(tmp_path: Path) -> None:
    root = tmp_path / "submissions"
    claim(root, "a-first", lambda value: None)

    def other(value: dict[str, Any]) -> None:
        without_files(value)
        value["files"]["README.md"] = fake_digest("another README")

    claim(root, "b-second", other)
    assert twice(root) == []


def test_weights_in_another_order_are_the_same_adapter(tmp_path: Path) -> None:
    """The header may list tensors in any order; the last aggregate's digest is the same."""
    source = Submission(1)
    source.add_weights()
    source.write(tmp_path / "submissions/finance/first")
    copy = Submission(1)
    copy.add_weights()
    shapes = {t["name"]: t["shape"] for t in copy.record["adapter"]["tensors"]}
    data = safetensors(shapes)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    mixed = json.dumps(dict(reversed(header.items())), separators=(",", ":")).encode()
    again = data[:8] + mixed.ljust(length) + data[8 + length :]
    copy.replace_weights(again)
    renamed(copy)
    copy.write(tmp_path / "submissions/finance/second")
    [found] = twice(tmp_path / "submissions")
    assert found.found.startswith("last round, last aggregate, answers")


PLACES = {
    "deeper": "submissions/finance/group/mine",
    "shallower": "submissions/mine",
    "a tree inside an entry's place": "submissions/finance/mine/submissions/finance/mine",
    "of no board": "submissions/finanse/mine",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_record_lies_at_board_and_name_and_nowhere_else(place: str, tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / place)
    Submission(2).write(tmp_path / "submissions/finance/honest")
    report = verify([tmp_path / "submissions"])
    assert not report.clean
    assert {item.rule for item in report.findings} <= {"place", "strays"}
    if place != PLACES["a tree inside an entry's place"]:
        assert "place" in {item.rule for item in verify([folder]).findings}
    claimed = tmp_path / "claims" / place
    claimed.parent.mkdir(parents=True)
    shutil.copytree(CLAIM, claimed)
    Submission(2).write(tmp_path / "claims/submissions/finance/honest")
    assert not verify([tmp_path / "claims" / "submissions"]).clean


@pytest.mark.parametrize(
    "name", ["finance/result.json", "record.json", "finance/mine/Result.json", ".hidden/x",
             "finance/.later/claim.json", "finance/a/b/c/d/e/result.json"],
)  # fmt: skip
def test_what_nothing_checks_may_not_lie_in_the_tree(name: str, tmp_path: Path) -> None:
    root = tree(tmp_path)
    assert verify([root]).findings == ()
    (root / "README.md").write_text("what this folder is")
    assert verify([root]).findings == ()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("{}")
    report = verify([root])
    assert not report.clean
    assert "strays" in {item.rule for item in report.findings} or name == "finance/result.json"


def test_a_sealed_folder_elsewhere_is_nobody_s_copy(tmp_path: Path) -> None:
    """Outside of a tree there is nothing to be compared with."""
    root = tree(tmp_path)
    other = shutil.copytree(root / "finance/first", tmp_path / "elsewhere")
    seal(other)
    assert verify([other]).clean
