"""The documents for people: every command is run by a test, options exist, links lead."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from harness.cli import cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

MADE_FOR_THE_SITE = r"(reference/[a-z]+|troubleshooting)\.md"
"""Pages that follow from the code; tests/test_docs_site.py has the links to them."""

ELSEWHERE = {
    r"pip install -r requirements\.txt && harness run --plugin smollm2-dora --smoke": (
        "pipeline/test_run.py"
    ),
    r"pip install tox && tox": "../.ci/run",
    r"pip install -r requirements\.txt": "../.ci/run",
    r"harness run --plugin my-entry --out mine": "new_plugin/test_writing_a_plugin.py",
    r"harness run --plugin \S+ --smoke --out \S+": "pipeline/test_run.py",
    r"harness run --plugin smollm2-dora/135m": "pipeline/test_run.py",
    r"harness run .*--superlink \S+.*": "federation/simulation/test_simulation.py",
    r"harness run .*--ray-address \S+.*": "federation/cluster/test_cluster_nodes.py",
    r"harness run --resume \S+": "pipeline/test_run.py",
    r"harness up .*": "federation/deployment/test_deployment.py",
    r"harness verify \S+": "submissions/test_submit.py",
    r"harness submit \S+ --name \S+": "submissions/test_submit.py",
    r"harness submit \S+ --name \S+ --author .*": "submissions/test_about.py",
    r"harness leaderboard.*": "leaderboard/test_build.py",
    r"harness import .*": "claims/importing/test_import.py",
    r"harness reproduce .*": "reproduce/test_reproduce.py",
    r"harness dispute .*|harness run .*--keep-steps": "reproduce/test_dispute.py",
    r"harness export .*": "federation/superlink/test_exported_app.py",
    r"harness evaluate .*": "cli/execute/test_evaluate.py",
    r"harness frontier .*": "frontier/test_frontier.py",
    r"harness rescore .*": "cli/execute/test_rescore.py",
    r"harness (run|plan) my\.toml.*|harness plugins \S+ --toml > my\.toml": (
        "planning/test_recipe_files.py"
    ),
    r"harness (runs|compare .*)": "side_by_side/test_comparing.py",
    r"harness sweep .*": "side_by_side/test_sweep.py",
    r"harness doctor.*": "machine/test_doctor.py",
    r"harness model .*": "sources/test_hub_model.py",
    r"harness publish .*|hf auth login": "publishing/test_publish.py",
    r"harness pull-request .*": "pull_request/test_judge.py",
    r"harness new-plugin .*|cd my-entry|pip install -e '\.\[test\]'|pytest|pip wheel .*": (
        "new_plugin/test_writing_a_plugin.py"
    ),
    r"harness plan --plugin my-entry.*": "new_plugin/test_writing_a_plugin.py",
    r"tox -e (light|full)": "../.ci/run",
    r"tox -e repro.*": "reproduce/test_recorded.py",
    r"python bench/\S+.*": "../bench",
    r"npm pack .*|pip download .*": "../.github/workflows/pages.yml",
}
"""Pattern of a command -> the file, below `tests/`, that runs it; what is not here is run here."""


def page_id(page: Path) -> str:
    return page.name


def commands(page: Path) -> list[str]:
    """Return the commands of a page's fenced `sh` and `console` blocks, comments taken off."""
    found: list[str] = []
    blocks = re.findall(r"^```(sh|console)\n(.*?)^```", page.read_text(), re.M | re.S)
    for kind, block in blocks:
        text = block.replace("\\\n", " ")
        lines = [line.strip() for line in text.splitlines()]
        if kind == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        found += [re.sub(r"\s+#.*$", "", line) for line in lines if line and line[0] != "#"]
    return found


def elsewhere(command: str) -> str | None:
    for pattern, where in ELSEWHERE.items():
        if re.fullmatch(pattern, command):
            return where
    return None


ALL = [(page, command) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize(("page", "command"), ALL, ids=lambda item: getattr(item, "name", item))
def test_every_command_runs_here_or_in_a_named_test(
    page: Path, command: str, tmp_path: Path
) -> None:
    where = elsewhere(command)
    if where is not None:
        assert (ROOT / "tests" / where).exists(), f"{page.name}: {command}: {where} is missing"
        return
    words = shlex.split(command)
    assert words[0] == "harness", f"{page.name}: no test runs {command!r}"
    run = [sys.executable, "-c", "from harness.cli import main; main()", *words[1:]]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    for text in re.findall(r"harness ([a-z][a-z-]*(?: [^`\n|]*)?)[`\n]", page.read_text()):
        words = text.split("#")[0].split()
        if words[0] not in cli.list_commands(click.Context(cli)):
            assert not any(word.startswith("--") for word in words[1:]), f"harness {text}"
            continue
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None
        known = {name for item in command.params for name in item.opts} | {"--help"}
        for word in words[1:]:
            name = word.strip("[].,;()").partition("=")[0]
            if name.startswith("--") and len(name) > 2:
                assert name in known, f"{page.name}: harness {words[0]} has no {name}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(rf"[a-z]+:|#|{MADE_FOR_THE_SITE}", target):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_file_and_module_that_a_page_names_is_there(page: Path) -> None:
    """A move leaves no name behind. Files stand by their path here, or inside the package."""
    text = page.read_text()
    for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|toml|sh|json))`", text):
        top = path.partition("/")[0]
        of_a_run = path.endswith(".json") and top != "harness"
        if top == "src" or of_a_run:  # of what a reader has made
            continue
        assert (ROOT / path).exists() or (ROOT / "harness" / path).exists(), f"{page.name}: {path}"
    for name in re.findall(r"`harness((?:\.[a-z_]+)+)(?:\.[A-Z]\w*)?`", text):
        parts = name.lstrip(".").split(".")
        places = [ROOT.joinpath("harness", *parts[:end]) for end in (len(parts), len(parts) - 1)]
        found = any(place.is_dir() or place.with_suffix(".py").exists() for place in places)
        assert found or parts[-1] == "hookimpl", f"{page.name}: harness{name}"
