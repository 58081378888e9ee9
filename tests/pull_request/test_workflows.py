"""The workflows: whose code runs, with which rights, and that nothing can be exchanged under it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(path.name for path in FOLDER.iterdir())


def workflow(name: str) -> dict[Any, Any]:
    """Return a workflow file, parsed."""
    value: dict[Any, Any] = yaml.safe_load((FOLDER / name).read_text())
    return value


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def test_a_submission_is_judged_by_the_base_branch_and_nothing_of_it_is_checked_out() -> None:
    value = workflow("submission.yml")
    # YAML reads the key `on` as true.
    assert list(value[True]) == ["pull_request_target"]
    for step in steps("submission.yml"):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    [judge] = [step for step in steps("submission.yml") if step.get("id") == "judge"]
    # Who opened it is what GitHub says, and nothing that the pull request holds.
    assert judge["env"]["ACCOUNT"] == "${{ github.event.pull_request.user.login }}"
    assert '--account "$ACCOUNT"' in judge["run"]
    judging = value["jobs"]["verdict"]
    assert judging["permissions"] == {"contents": "read"}
    assert value["jobs"]["comment"]["permissions"] == {"pull-requests": "write"}
    assert not any("checkout" in s.get("uses", "") for s in value["jobs"]["comment"]["steps"])


@pytest.mark.parametrize("name", NAMES)
def test_no_stranger_s_words_reach_a_shell_and_rights_are_named_job_by_job(name: str) -> None:
    """What an event says goes through the environment or the API, never into a script's text."""
    value = workflow(name)
    assert value["permissions"] == {}
    for job in value["jobs"].values():
        assert set(job["permissions"]) <= {"contents", "pull-requests", "pages", "id-token"}
        assert job["permissions"].get("contents", "read") == "read"
    for step in steps(name):
        for key in ("run", "script"):
            text = step.get(key) or step.get("with", {}).get(key, "")
            assert "${{" not in text
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_named_by_commit_and_packages_by_digest(name: str) -> None:
    for step in steps(name):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
        for line in step.get("run", "").splitlines():
            if "pip install" in line:
                assert "--require-hashes" in line or "--no-deps --no-build-isolation" in line


def test_the_lock_has_every_dependency_of_the_light_core_by_digest() -> None:
    text = (ROOT / ".github" / "requirements.txt").read_text()
    locked: dict[str, str] = {}
    for entry in re.split(r"\n(?=[a-z])", text[text.index("\nannotated") :].strip()):
        requirement = Requirement(entry.split("\\")[0].strip())
        locked[requirement.name] = str(requirement.specifier).removeprefix("==")
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), requirement.name
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for line in [*project["project"]["dependencies"], *project["build-system"]["requires"]]:
        requirement = Requirement(line)
        assert requirement.name in locked, f"{line}: lock it, as .github/requirements.txt says how"
        assert requirement.specifier.contains(locked[requirement.name]), line
    constraints = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    for name, version in locked.items():
        assert constraints.get(name, version).split(";")[0].strip() == version, name


@pytest.mark.parametrize("name", NAMES)
def test_every_shell_step_parses(name: str) -> None:
    for step in steps(name):
        subprocess.run(["bash", "-n", "-c", step.get("run", "true")], check=True)
