"""The pull-request script: what it comments about a submission, as the workflow runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ENTRY = "submissions/finance/ethicalabs-smollm2-1.7b"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def workflow(name: str) -> dict[str, Any]:
    """Return a workflow file, parsed."""
    text = (ROOT / ".github" / "workflows" / name).read_text()
    value: dict[str, Any] = yaml.safe_load(text)
    return value


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def checked(tmp_path: Path, change: Callable[[Path], None]) -> tuple[int, str]:
    """Commit a change in a copy of the repository's data and run the workflow's step on it."""
    head = tmp_path / "head"
    for name in ("submissions", "leaderboard"):
        shutil.copytree(ROOT / name, head / name)
    git(head, "init", "--quiet", "--initial-branch=main")
    git(head, "add", "--all")
    git(head, "commit", "--quiet", "--message=before")
    base = tmp_path / "base"
    shutil.copytree(head, base)
    shutil.copytree(ROOT / ".github", base / ".github")
    before = git(head, "rev-parse", "HEAD")
    change(head)
    git(head, "add", "--all")
    git(head, "commit", "--quiet", "--message=after")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    command = binaries / "harness"
    code = "from harness.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    command.chmod(0o755)
    environment = os.environ | {
        "BASE": before,
        "HEAD": git(head, "rev-parse", "HEAD"),
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
    }
    [step] = [item for item in steps("submission.yml") if item.get("id") == "verify"]
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, (tmp_path / "comment.md").read_text()


def test_a_tampered_submission_is_found_and_named(tmp_path: Path) -> None:
    files = sorted(
        path for path in (ROOT / ENTRY).rglob("*.json") if b"smollm2" in path.read_bytes()
    )

    def tamper(head: Path) -> None:
        target = head / files[0].relative_to(ROOT)
        target.write_bytes(target.read_bytes().replace(b"l", b"<b>", 1))

    code, comment = checked(tmp_path, tamper)
    assert code == 1
    assert f"### `{ENTRY}`" in comment
    assert "What it does to the table" in comment


def test_a_change_elsewhere_is_no_submission(tmp_path: Path) -> None:
    code, comment = checked(
        tmp_path, lambda head: (head / "leaderboard/README.md").write_text("mine is best") and None
    )
    assert code == 1
    assert "No submission folder changed" in comment


def test_an_honest_submission_passes_and_what_lies_beside_it_does_not_hide(tmp_path: Path) -> None:
    """The same claim under a new name; then once more with a folder that no check would look at."""

    def add(head: Path, stray: bool = False) -> None:
        text = (head / ENTRY / "claim.json").read_text()
        folder = head / "submissions/finance/again"
        folder.mkdir()
        # Another project: without the files that were recounted, and with a README of its own.
        value = json.loads(text) | {"name": "again"}
        value["files"]["README.md"] = "0" * 64
        for item in value["sets"]:
            item["recount"] = None
        (folder / "claim.json").write_text(json.dumps(value))
        if stray:
            (head / "submissions/finance/.hidden").mkdir()
            (head / "submissions/finance/.hidden/claim.json").write_text(text)

    code, comment = checked(tmp_path / "honest", add)
    assert code == 0, comment
    assert "### `submissions/finance/again`" in comment
    assert "+" in comment.partition("What it does to the table")[2]
    code, comment = checked(tmp_path / "stray", lambda head: add(head, stray=True))
    assert code == 1
    assert "1 files below `submissions/`" in comment


@pytest.mark.parametrize("name", ["submission.yml", "submission-comment.yml"])
def test_a_stranger_s_words_reach_no_shell_and_no_token_can_write(name: str) -> None:
    """What an event says goes through the environment or the API, never into a script's text."""
    value = workflow(name)
    for step in steps(name):
        for key in ("run", "script"):
            text = step.get(key) or step.get("with", {}).get(key, "")
            assert "${{" not in text
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
    writable = {key for key, right in value["permissions"].items() if right == "write"}
    assert writable == (set() if name == "submission.yml" else {"pull-requests"})
    if name == "submission-comment.yml":
        assert not any("checkout" in step.get("uses", "") for step in steps(name))


def test_every_shell_step_parses() -> None:
    for name in ("submission.yml", "submission-comment.yml"):
        for step in steps(name):
            script = step.get("run", "true")
            subprocess.run(["bash", "-n", "-c", script], check=True)
