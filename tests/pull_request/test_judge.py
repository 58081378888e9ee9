"""What a pull request may change, on real git repositories; what is said of more than that."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission, about_json
from click.testing import CliRunner

from harness.cli.entries.pull_request import command
from harness.document import pretty_json
from harness.errors import RecordError, UsageError
from harness.leaderboard.build import build
from harness.pull_request.comment import MAX_COMMENT, comment, fenced
from harness.pull_request.git_objects import MAX_CHANGES, changes, merge_base
from harness.pull_request.judge import judge
from harness.submissions.amend import amend
from harness.verify.read_submission import seal

ROOT = Path(__file__).resolve().parents[2]
CLAIM = "submissions/finance/ethicalabs-smollm2-1.7b/claim.json"
RUN = "submissions/finance/one"
RUN_OF_SOMEONE = "submissions/finance/someones"


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody."""
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def file_claim(folder: Path, name: str) -> Path:
    """File a claim of another project: with a README of its own and nothing that was recounted."""
    value = json.loads((ROOT / CLAIM).read_text()) | {"name": name}
    value["files"]["README.md"] = hashlib.sha256(name.encode()).hexdigest()
    for item in value["sets"]:
        item["recount"] = None
    text = json.dumps(value)
    place = folder / "submissions/finance" / name / "claim.json"
    place.parent.mkdir(parents=True)
    place.write_text(text)
    return place


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a run, a claim, and something of everything else."""
    folder = tmp_path_factory.mktemp("original")
    Submission().write(folder / RUN)
    (folder / CLAIM).parent.mkdir(parents=True)
    shutil.copyfile(ROOT / CLAIM, folder / CLAIM)
    for name in ("harness/rules.py", ".github/workflows/submission.yml", "README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("as it is\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "before")
    return folder


@pytest.fixture
def clone(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clone on a branch of its own, and verdicts kept for this test run alone."""
    monkeypatch.setenv("HARNESS_CACHE", str(original.parent / "cache"))
    git(tmp_path, "clone", "--quiet", str(original), "clone")
    git(tmp_path / "clone", "checkout", "--quiet", "-b", "mine")
    return tmp_path / "clone"


def said(clone: Path, change: Callable[[Path], object]) -> tuple[bool, str]:
    """Return whether a change is accepted, and the comment on it."""
    change(clone)
    found = judge(clone, "main", commit(clone, "change"))
    return found.accepted, comment(found)


def add_run(clone: Path) -> None:
    Submission(2).write(clone / "submissions/finance/two")


def test_a_folder_alone_is_accepted_with_its_verdict_and_its_line_of_the_table(clone: Path) -> None:
    accepted, text = said(clone, add_run)
    assert accepted, text
    assert "clean   submissions/finance/two" in text
    added = [line for line in text.splitlines() if line.startswith("+")]
    assert len(added) == 1
    assert "Entry two" in added[0]
    assert not [line for line in text.splitlines() if line.startswith("-")]


def filed_meanwhile(clone: Path, name: str) -> None:
    """File an entry on the main branch after `mine` has left it."""
    git(clone, "checkout", "--quiet", "main")
    Submission(2).write(clone / f"submissions/finance/{name}")
    commit(clone, "filed")
    git(clone, "checkout", "--quiet", "mine")


def test_a_branch_that_left_before_an_entry_was_filed_brings_no_copy_of_it(clone: Path) -> None:
    filed_meanwhile(clone, "victim")
    accepted, text = said(clone, add_run)
    assert not accepted
    assert "submissions/finance/victim was first, as it is filed already" in text
    assert "clean   submissions/finance/two" not in text
    assert text.partition("~diff")[2].splitlines()[1] == "no change"


def test_a_name_that_was_filed_meanwhile_is_another_s(clone: Path) -> None:
    filed_meanwhile(clone, "two")
    accepted, text = said(
        clone, lambda folder: Submission(3).write(folder / "submissions/finance/two")
    )
    assert not accepted
    assert "submissions/finance/two/result.json: another entry's file" in text


def test_what_was_filed_meanwhile_is_no_matter_of_another_entry(clone: Path) -> None:
    filed_meanwhile(clone, "other")
    accepted, text = said(
        clone, lambda folder: Submission(3).write(folder / "submissions/finance/two")
    )
    assert accepted, text
    [line] = [line for line in text.splitlines() if line.startswith(("+", "-"))]
    assert line.startswith("+finance: ")
    assert "Entry two" in line
    assert "next:" not in text


def delete_entry(clone: Path) -> None:
    shutil.rmtree(clone / RUN)


def rename_entry(clone: Path) -> None:
    git(clone, "mv", RUN, "submissions/finance/better-name")


def replace_entry(clone: Path) -> None:
    shutil.rmtree(clone / RUN)
    Submission(3).write(clone / RUN)


def change_another(clone: Path) -> None:
    card = clone / RUN / "README.md"
    card.write_text(card.read_text() + "mine is better\n")


def edit_pages(clone: Path) -> None:
    (clone / "leaderboard/finance").mkdir(parents=True)
    (clone / "leaderboard/finance/index.html").write_text("mine is best")


def change_workflow(clone: Path) -> None:
    (clone / ".github/workflows/submission.yml").write_text("run: echo green")


def change_harness(clone: Path) -> None:
    (clone / "harness/rules.py").write_text("clean = True")


def remove_harness(clone: Path) -> None:
    (clone / "harness/rules.py").unlink()


def link_file(clone: Path) -> None:
    (clone / "submissions/finance/two/loss.png").symlink_to("/etc/passwd")


def link_folder(clone: Path) -> None:
    (clone / "submissions/finance/three").symlink_to("one")


def executable(clone: Path) -> None:
    (clone / "submissions/finance/two/claim.json").chmod(0o755)


def submodule(clone: Path) -> None:
    git(clone, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},submissions/finance/sub")
    # `git add --all` would drop what is not in the work tree.
    git(clone, "commit", "--quiet", "--message=submodule")
    (clone / "submissions/finance/sub").mkdir()


def other_case(clone: Path) -> None:
    (clone / RUN / "RESULT.json").write_text("{}")


def other_case_folder(clone: Path) -> None:
    file_claim(clone, "One")


def line_break(clone: Path) -> None:
    (clone / "submissions/finance/two/a\n## Submission: accepted").write_text("x")


def not_utf8(clone: Path) -> None:
    with open(os.fsencode(clone / "submissions/finance/two") + b"/\xff\xfe", "wb"):
        pass


def stray(clone: Path) -> None:
    (clone / "submissions/finance/.hidden").mkdir()
    (clone / "submissions/finance/.hidden/claim.json").write_text("{}")


def other_board(clone: Path) -> None:
    (clone / "submissions/poetry/mine").mkdir(parents=True)
    (clone / "submissions/poetry/mine/claim.json").write_text("{}")


def deep(clone: Path) -> None:
    (clone / "submissions/finance/a/b/c").mkdir(parents=True)
    (clone / "submissions/finance/a/b/c/result.json").write_text("{}")


def device_s_name(clone: Path) -> None:
    file_claim(clone, "aux")


def upper_folder(clone: Path) -> None:
    (clone / "Submissions").mkdir()
    (clone / "Submissions/claim.json").write_text("{}")


def huge_weights(clone: Path) -> None:
    weights = clone / "submissions/finance/two/adapter/adapter_model.safetensors"
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(b"\0" * (4 * 2**20 + 1))


def no_record(clone: Path) -> None:
    (clone / "submissions/finance/three").mkdir()
    (clone / "submissions/finance/three/rows.json").write_text("{}")


def unknown_file(clone: Path) -> None:
    (clone / "submissions/finance/two/setup.py").write_text("import os")


BAD = {
    delete_entry: "deleted or renamed: entries stay",
    rename_entry: "deleted or renamed: entries stay",
    replace_entry: "another entry's file",
    change_another: "another entry's file",
    edit_pages: "a generated file",
    change_workflow: "a workflow",
    change_harness: "a part of the harness",
    remove_harness: "a part of the harness",
    link_file: "a symbolic link",
    link_folder: "no file of a submission",
    executable: "an executable file",
    submodule: "no file of a submission",
    other_case: "another entry's file",
    other_case_folder: "no file of a submission",
    line_break: "a name with a line break",
    not_utf8: "a name with a line break",
    stray: "no file of a submission",
    other_board: "boards are code",
    deep: "a file that harness submit does not write",
    device_s_name: "not a device's",
    upper_folder: "is written in small letters",
    huge_weights: "weights lie on the hub",
    no_record: "it is no submission",
    unknown_file: "a file that harness submit does not write",
}


@pytest.mark.parametrize(("change", "why"), BAD.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_what_a_pull_request_may_not_change_beside_its_folder_is_named(
    change: Callable[[Path], None], why: str, clone: Path
) -> None:
    def both(clone: Path) -> None:
        file_claim(clone, "two")
        file_claim(clone, "honest")
        change(clone)

    accepted, text = said(clone, both)
    assert not accepted
    assert why in text
    assert text.startswith("## Submission: not accepted")
    # A stranger's line break makes no line of its own.
    assert "\n## Submission: accepted" not in text


@pytest.mark.parametrize("change", [edit_pages, delete_entry, upper_folder])
def test_they_are_named_without_a_submission_too(
    change: Callable[[Path], None], clone: Path
) -> None:
    accepted, text = said(clone, change)
    assert not accepted
    assert "holds new folders" in text


@pytest.mark.parametrize("change", [change_harness, change_workflow])
def test_a_change_of_the_harness_alone_is_no_submission(
    change: Callable[[Path], None], clone: Path
) -> None:
    accepted, text = said(clone, change)
    assert accepted
    assert text.startswith("## No submission")


def climb(clone: Path, level: str = "re-run") -> None:
    """Let the run that is there gain evidence, as `harness reproduce --write` gives it."""
    s = Submission()
    record = s.record
    command, date = "harness reproduce submissions/finance/one", "2026-04-03T08:00:00Z"
    compared = {"adapter": record["adapter"]["sha256"]}
    compared |= {
        f"round {item['round']}": item["aggregate_sha256"]
        for item in record["federation"]["rounds"]
    }
    compared |= {s["task"]: f"{s['correct']}/{s['examples']}" for s in record["scores"]}
    s.evidence[level] = {
        "level": level, "date": date, "command": command,
        "spec_digest": record["spec_digest"], "adapter_sha256": record["adapter"]["sha256"],
        "compared": compared, "packages": {"torch": "2.13.0"}, "device": "x86_64",
    }  # fmt: skip
    digest = hashlib.sha256(s.files()[f"evidence/{level}.json"]).hexdigest()
    s.ladder = [
        *json.loads(s.files().get("ladder.json", b"[]")),
        {"level": level, "date": date, "command": command, "digest": digest},
    ]
    s.write(clone / RUN)


def test_an_entry_that_is_there_may_gain_evidence(clone: Path) -> None:
    accepted, text = said(clone, climb)
    assert accepted, text
    assert "re-run" in text


def test_a_rung_that_is_there_is_not_taken_away(clone: Path) -> None:
    climb(clone)
    git(clone, "branch", "-f", "main", commit(clone, "climbed"))

    accepted, text = said(clone, lambda clone: climb(clone, "round-replayed"))
    assert not accepted
    assert "a rung is lost or changed: re-run" in text


@pytest.mark.parametrize("file", ["ladder.json", "manifest.json"])
def test_an_entry_that_gains_no_evidence_stays_as_it_is(file: str, clone: Path) -> None:
    climb(clone)
    git(clone, "branch", "-f", "main", commit(clone, "climbed"))

    def reformat(clone: Path) -> None:
        path = clone / RUN / file
        path.write_text(json.dumps(json.loads(path.read_text()), indent=7))
        climb_of_another = clone / "submissions/finance/two/evidence/re-run.json"
        climb_of_another.parent.mkdir(parents=True)
        climb_of_another.write_text("{}")

    accepted, text = said(clone, reformat)
    assert not accepted
    assert f"submissions/finance/one/{file}: another entry's file: it may gain evidence" in text


OWNER = {"author": {"handle": "someone", "name": "A team"}}


def amended(clone: Path, account: str, change: Callable[[Path], object]) -> tuple[bool, str]:
    """Return the judgement on a change, by an account, of an entry that `someone` has filed."""
    submission = Submission(4)
    submission.extra["about.json"] = about_json(**OWNER)
    submission.write(clone / RUN_OF_SOMEONE)
    git(clone, "branch", "-f", "main", commit(clone, "filed"))
    change(clone / RUN_OF_SOMEONE)
    found = judge(clone, "main", commit(clone, "amended"), account)
    return found.accepted, comment(found)


def withdraw(folder: Path) -> None:
    amend(folder, {}, "trained on test rows")


def name_anew(folder: Path) -> None:
    amend(folder, {"name": "Another team", "affiliation": "Elsewhere"})


@pytest.mark.parametrize("account", ["someone", "SomeOne"])
@pytest.mark.parametrize("change", [withdraw, name_anew])
def test_whoever_filed_an_entry_may_withdraw_it_and_rename_the_team(
    change: Callable[[Path], object], account: str, clone: Path
) -> None:
    accepted, text = amended(clone, account, change)
    assert accepted, text
    if change is withdraw:
        assert "not eligible: withdrawn on 20" in text
        assert ": trained on test rows" in text


@pytest.mark.parametrize(
    ("account", "told"), [("another", True), ("someone", False), ("SomeOne", False), ("", False)]
)
def test_an_entry_in_another_s_name_is_told(account: str, told: bool, clone: Path) -> None:
    """Its author alone could withdraw it."""
    submission = Submission()
    submission.extra["about.json"] = about_json(author={"handle": "someone"})
    submission.write(clone / RUN_OF_SOMEONE)
    text = comment(judge(clone, "main", commit(clone, "filed"), account))
    warning = "[author] submissions/finance/someones/about.json: found the author someone"
    assert (f"{warning}, in a pull request of another" in text) is told


@pytest.mark.parametrize("change", [withdraw, name_anew])
@pytest.mark.parametrize("account", ["another", ""])
def test_nobody_else_may(account: str, change: Callable[[Path], object], clone: Path) -> None:
    accepted, text = amended(clone, account, change)
    assert not accepted
    assert "about.json: it is amended by the account someone alone" in text


def other_owner(value: dict[str, Any]) -> None:
    value["author"]["handle"] = "another"


def other_command(value: dict[str, Any]) -> None:
    value["command"] = ["harness", "run", "--plugin", "another"]


def other_date(value: dict[str, Any]) -> None:
    value["date"] = "2026-05-01T12:00:00Z"


def no_author(value: dict[str, Any]) -> None:
    del value["author"]


@pytest.mark.parametrize("edit", [other_owner, other_command, other_date, no_author])
def test_what_an_entry_was_filed_with_stays(
    edit: Callable[[dict[str, Any]], None], clone: Path
) -> None:
    def change(folder: Path) -> None:
        value = json.loads((folder / "about.json").read_text())
        edit(value)
        (folder / "about.json").write_text(pretty_json(value))
        seal(folder)

    accepted, text = amended(clone, "someone", change)
    assert not accepted
    assert "its author's account stay" in text


def test_a_withdrawal_stays(clone: Path) -> None:
    amended(clone, "someone", withdraw)
    git(clone, "branch", "-f", "main", "mine")
    folder = clone / RUN_OF_SOMEONE
    value = json.loads((folder / "about.json").read_text())
    del value["withdrawn"]
    (folder / "about.json").write_text(pretty_json(value))
    seal(folder)
    found = judge(clone, "main", commit(clone, "back again"), "someone")
    assert not found.accepted
    assert "a withdrawal stays as it is" in comment(found)


def test_nothing_else_of_an_entry_changes_with_what_is_amended(clone: Path) -> None:
    def change(folder: Path) -> None:
        withdraw(folder)
        (folder / "README.md").write_text("mine is better\n")
        seal(folder)

    accepted, text = amended(clone, "someone", change)
    assert not accepted
    assert f"{RUN_OF_SOMEONE}/README.md: another entry's file" in text


def test_a_submission_that_verify_refuses_is_refused_and_named(clone: Path) -> None:
    def tamper(clone: Path) -> None:
        s = Submission(2)
        s.record["average"] += 0.1
        s.write(clone / "submissions/finance/two")

    accepted, text = said(clone, tamper)
    assert not accepted
    assert "[average] submissions/finance/two" in text


def test_a_copy_is_a_copy_whatever_date_it_bears(clone: Path) -> None:
    """What stands on the main branch was first."""

    def copy(clone: Path) -> None:
        s = Submission()
        s.record["created"] = "2026-03-30T12:00:00+00:00"
        s.record["run_id"] = s.record["run_id"].replace("20260401", "20260330")
        s.write(clone / "submissions/finance/mine")

    accepted, text = said(clone, copy)
    assert not accepted
    assert "[once] submissions/finance/mine" in text
    assert "of finance/one" in text or "submissions/finance/one" in text


def test_thirty_submissions_of_thirty_branches_merge_and_each_is_accepted(
    clone: Path, tmp_path: Path
) -> None:
    """None knows of the others; the table's change is compared with where each began."""
    names = [f"entry-{number:02d}" for number in range(30)]
    for name in names:
        git(clone, "checkout", "--quiet", "-b", name, "main")
        file_claim(clone, name)
        commit(clone, name)
    git(clone, "checkout", "--quiet", "main")
    for number, name in enumerate(names):
        if number in (0, 29):
            found = judge(clone, "main", name)
            assert found.accepted, comment(found)
            difference = [x for x in found.after if x not in found.before]
            assert len(difference) == 1
            assert not [x for x in found.before if x not in found.after]
        git(clone, "merge", "--quiet", "--no-edit", name)
    files, refused = build(clone / "submissions")
    assert refused == []
    shown = json.loads(files["finance/leaderboard.json"])["claims"]
    assert {item["name"] for item in shown} >= set(names)


def test_nothing_of_the_head_is_executed_or_followed(clone: Path, tmp_path: Path) -> None:
    """Neither filters, hooks and textconv of the repository, nor an external diff, take part."""
    mark = tmp_path / "owned"
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    (clone / ".gitattributes").write_text("* filter=x diff=x\n")
    file_claim(clone, "honest")
    head = commit(clone, "attributes")
    for key in ("filter.x.smudge", "filter.x.clean", "diff.x.textconv", "diff.external"):
        git(clone, "config", key, str(script))
    (clone / ".git/hooks").mkdir(exist_ok=True)
    for hook in ("post-checkout", "pre-commit", "reference-transaction"):
        shutil.copy(script, clone / ".git/hooks" / hook)
    found = judge(clone, "main", head)
    assert not found.accepted  # .gitattributes is no part of a submission
    assert found.folders == ("submissions/finance/honest",)
    assert not mark.exists()


def test_histories_without_a_common_commit_and_thousands_of_files_are_refused(
    clone: Path,
) -> None:
    git(clone, "checkout", "--quiet", "--orphan", "other")
    other = commit(clone, "other")
    with pytest.raises(RecordError, match="no commit in common"):
        merge_base(clone, "main", other)
    with pytest.raises(UsageError, match="no such commit"):
        judge(clone, "main", "nowhere")
    with pytest.raises(UsageError, match="expected the id"):
        judge(clone, "main", "--output=x")


@pytest.mark.parametrize("more", [0, 1])
def test_2000_changed_files_are_looked_at_and_one_more_is_not(more: int, clone: Path) -> None:
    folder = clone / "submissions/finance/many"
    folder.mkdir()
    for number in range(MAX_CHANGES + more):
        (folder / f"f{number}").write_bytes(b"")
    head = commit(clone, "many")
    if more:
        with pytest.raises(RecordError, match="2001 files change"):
            changes(clone, "main", head)
    else:
        assert len(comment(judge(clone, "main", head))) <= MAX_COMMENT + 1


def test_a_list_has_60_lines_of_300_characters_and_counts_the_rest() -> None:
    lines = fenced(["~~~~~~~~", "x" * 301, *map(str, range(59))]).splitlines()
    assert lines[1] == "~"
    assert lines[2] == "x" * 300 + "…"
    assert len(lines) == 2 + 61
    assert lines[-2] == "and 1 more"
    assert len(fenced(["x"] * 60).splitlines()) == 2 + 60


def test_the_command_writes_the_comment_and_exits_with_the_verdict(
    clone: Path, tmp_path: Path
) -> None:
    edit_pages(clone)
    commit(clone, "pages")
    arguments = ["--base", "main", "--head", "mine", "--repository", str(clone)]
    done = CliRunner().invoke(command, [*arguments, "--comment", str(tmp_path / "comment.md")])
    assert done.exit_code == 1
    assert "not accepted" in done.output
    assert "a generated file" in (tmp_path / "comment.md").read_text()
    done = CliRunner().invoke(command, ["--base", "main", "--head", "main", *arguments[4:]])
    assert done.exit_code == 0
