"""The documentation as a site: every page is in the navigation, links and headings are there.

`tox -e docs` builds the site itself; this holds what of it a light environment can see.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import errors

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def load_generated() -> Any:
    spec = importlib.util.spec_from_file_location("generated", DOCS / "_site" / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED: dict[str, str] = load_generated().pages()
PAGES = GENERATED | {path.name: path.read_text() for path in sorted(DOCS.glob("*.md"))}
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def entries(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for item in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from entries(item)


def test_every_page_is_in_the_navigation_once_and_no_other() -> None:
    assert sorted(entries(CONFIG["nav"])) == sorted(PAGES)


def slug(heading: str) -> str:
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


@pytest.mark.parametrize("page", PAGES)
def test_a_link_between_pages_leads_to_a_page_and_a_heading(page: str) -> None:
    text = re.sub(r"^(`{3,}).*?^\1", "", PAGES[page], flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        if re.match(r"[a-z]+:|\.\./", target) or path.startswith("images/"):
            continue
        found = PAGES[path] if path else PAGES[page]
        slugs = [slug(item) for item in re.findall(r"^#+ (.+)$", found, re.M)]
        assert not heading or heading in slugs, f"{page}: {target}"


def test_nothing_is_asked_of_another_site() -> None:
    assert CONFIG["theme"]["font"] is False
    assert "repo_url" not in CONFIG
    assert not {"extra_javascript", "extra_css"} & set(CONFIG)
    assert CONFIG["strict"] is True


def test_troubleshooting_has_every_error_and_what_it_says() -> None:
    page = GENERATED["troubleshooting.md"]
    kinds = [item for item in vars(errors).values() if isinstance(item, type)]
    for kind in kinds:
        if kind is not errors.HarnessError and issubclass(kind, errors.HarnessError):
            assert f"## {kind.__name__}, exit code {kind.exit_code}" in page
    assert "- `unknown plugin ...; ...`" in page
    assert "exclude each other" in page
    assert page.count("\n- `") > 350


def test_the_reference_has_every_command_and_modules_that_are_there() -> None:
    from harness.cli import SUMMARIES

    for name in SUMMARIES:
        assert f"## harness {name}\n" in GENERATED["reference/commands.md"]
    for text in GENERATED.values():
        for module in re.findall(r"^::: (\S+)$", text, re.M):
            path = ROOT.joinpath(*module.split("."))
            assert path.is_dir() or path.with_suffix(".py").is_file(), module


def test_the_notebook_is_a_page_with_its_cells() -> None:
    assert "```python\nimport harness\n" in GENERATED["python.md"]


@pytest.mark.parametrize("file", ["tox.ini", ".github/workflows/pages.yml"])
def test_the_site_is_built_where_warnings_count(file: str) -> None:
    """With --quiet mkdocs drops its warnings before `strict` counts them."""
    [line] = [item for item in (ROOT / file).read_text().splitlines() if 'mkdocs" build' in item
              or item.strip().startswith("mkdocs build")]  # fmt: skip
    assert "quiet" not in line
    assert " -q" not in line
