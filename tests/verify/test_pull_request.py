"""The pull-request script: what it comments about a submission, as the workflow runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ENTRY = "submissions/finance/ethicalabs-smollm2-1.7b"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def checked(tmp_path: Path, changed: Path) -> tuple[int, str]:
    """Commit `changed` in a copy of the repository's data and run the script on the difference."""
    head = tmp_path / "head"
    for name in ("submissions", "leaderboard"):
        shutil.copytree(ROOT / name, head / name)
    git(head, "init", "--quiet", "--initial-branch=main")
    git(head, "add", "--all")
    git(head, "commit", "--quiet", "--message=before")
    base = tmp_path / "base"
    shutil.copytree(head, base)
    before = git(head, "rev-parse", "HEAD")
    target = head / changed
    target.write_bytes(target.read_bytes().replace(b"l", b"<b>", 1))
    git(head, "commit", "--quiet", "--all", "--message=after")
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
    script = ROOT / ".github" / "verify-submissions.sh"
    done = subprocess.run(
        ["bash", str(script), "base", "head", "comment.md"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, (tmp_path / "comment.md").read_text()


def test_a_tampered_submission_is_found_and_named(tmp_path: Path) -> None:
    files = sorted(
        path for path in (ROOT / ENTRY).rglob("*.json") if b"smollm2" in path.read_bytes()
    )
    code, comment = checked(tmp_path, files[0].relative_to(ROOT))
    assert code == 1
    assert f"### `{ENTRY}`" in comment
    assert "What it does to the table" in comment


def test_a_change_elsewhere_is_no_submission(tmp_path: Path) -> None:
    file = ROOT / "leaderboard" / "README.md"
    code, comment = checked(tmp_path, file.relative_to(ROOT))
    assert code == 1
    assert "No submission folder changed" in comment
