"""The documents for people: every command is accounted for, options exist, links lead.

`test_commands.py` runs them; what no list of `documented.py` names is run there.
"""

from __future__ import annotations

import ast
import configparser
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from documented import (
    IN_A_FILE,
    NOT_RUN,
    PAGES,
    ROOT,
    TEMPLATE,
    TESTED,
    fenced,
    inline,
    page_text,
    why_not_here,
)

from harness.cli import cli
from harness.planning.rules import PLAN_RULES

MADE_FOR_THE_SITE = r"(reference/[a-z]+|troubleshooting)\.md"
"""Pages that follow from the code; tests/docs/test_docs_site.py has the links to them."""


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


COMMANDS = list(
    dict.fromkeys(
        command
        for page in PAGES
        for text in [page_text(page)]
        for command in (*fenced(text), *inline(text))
    )
)


def functions(path: Path) -> set[str]:
    return {item.name for item in ast.parse(path.read_text()).body
            if isinstance(item, ast.FunctionDef)}  # fmt: skip


def test_the_pages_have_commands_of_every_kind() -> None:
    told = [why_not_here(command) for command in COMMANDS]
    assert len(COMMANDS) > 80
    assert 20 < told.count(None) < len(told)


@pytest.mark.parametrize("pattern", TESTED | IN_A_FILE | NOT_RUN)
def test_a_command_that_is_run_elsewhere_or_nowhere_is_on_a_page(pattern: str) -> None:
    assert any(re.fullmatch(pattern, command) for command in COMMANDS), "no page has it any more"


@pytest.mark.parametrize("place", TESTED.values())
def test_the_test_that_does_what_a_command_does_is_there(place: str) -> None:
    path, _, name = place.partition("::")
    assert name in functions(ROOT / "tests" / path)


@pytest.mark.parametrize(("path", "text"), IN_A_FILE.values())
def test_the_file_that_runs_a_command_has_it(path: str, text: str) -> None:
    assert text in (ROOT / path).read_text()


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("harness ")])
def test_every_command_of_the_harness_has_the_form_that_it_takes(command: str) -> None:
    """Whether it is run here or elsewhere: options with their values, and no argument too many."""
    words = shlex.split(re.sub(r"[\[\]]", "", command).partition(" > ")[0])
    found = cli.get_command(click.Context(cli), words[1])
    assert found is not None, f"no sub-command {words[1]}"
    with click.Context(found) as context:
        parsed, rest, _ = found.make_parser(context).parse_args(words[2:])
    assert not rest
    needed = [item.name for item in found.params
              if isinstance(item, click.Argument) and item.required]  # fmt: skip
    assert all(parsed.get(str(name)) for name in needed), f"{words[1]} needs {needed}"


SCRIPTS = [c for c in COMMANDS if re.match(r"python (bench|tests)/", c)]


@pytest.mark.parametrize("command", SCRIPTS)
def test_a_bench_has_the_options_that_a_page_gives_it(command: str) -> None:
    words = re.sub(r"[\[\]]", "", command).split()
    text = (ROOT / words[1]).read_text()
    for option in (word for word in words[2:] if word.startswith("--")):
        assert re.search(rf"[\"\s]{option}[\"\s=]", text), f"{words[1]} has no {option}"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("tox ")])
def test_every_environment_of_tox_that_a_page_names_is_there(command: str) -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "tox.ini")
    have = {section.removeprefix("testenv:") for section in config.sections()}
    have |= {"py311", "py312", "py313"} if "py3{11,12,13}" in have else set()
    assert set(re.findall(r"-e (\S+)", command)[0].split(",")) <= have


def test_every_extra_that_a_page_names_is_there() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {name for page in PAGES
             for name in re.findall(r"flowertune-harness\[(\w+)\]", page.read_text())}  # fmt: skip
    assert named
    assert named <= set(extras["optional-dependencies"])


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


def test_the_page_of_the_seeds_has_every_purpose() -> None:
    page = (ROOT / "docs" / "reproducing.md").read_text()
    rooms = ("training", "federation", "frontier", "planning", "evaluation")
    files = [path for room in rooms for path in (ROOT / "harness" / room).rglob("*.py")]
    code = "\n".join(path.read_text() for path in files)
    purposes = set(re.findall(r'\bseed, "([a-z-]+)"', code))
    assert len(purposes) > 10
    assert {name for name in purposes if f"`{name}`" not in page} == set()


def test_the_page_of_the_rules_has_every_rule_that_refuses_a_run() -> None:
    page = (ROOT / "docs" / "rules.md").read_text()
    assert [rule.id for rule in PLAN_RULES if f"| `{rule.id}` |" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(rf"[a-z]+:|#|{MADE_FOR_THE_SITE}", target):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", [page for page in PAGES if page != TEMPLATE], ids=page_id)
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
