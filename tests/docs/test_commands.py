"""Every command of the documents, typed in the environment that the documents make.

Which ones are not is said in `documented.py`, each with the test that does the same or a reason.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from clean_submission import Submission
from documented import PAGES, ROOT, fenced, page_text, why_not_here
from plain_project import project
from reader import INSTALL, Reader

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

ENTRY = "submissions/finance/smollm2-135m-dora"
FIRST = [ROOT / "docs" / "tutorial.md", ROOT / "README.md"]
LAST = [ROOT / "docs" / "writing-a-plugin.md"]
READ = [*FIRST, *(page for page in PAGES if page not in FIRST + LAST), *LAST]
"""In this order: the tutorial installs the plugin that later pages name, the last one its wheel."""

NEW = "harness new-plugin my-entry"
ONCE = ("pip install -e '.[test]'", "pytest")
"""What several pages say of the same plugin, and takes long enough to be done for one of them."""

INSTEAD = [
    (r"\bpath/to/project\b", "project"),
    (r"https://\.\.\.", "https://example.org/project"),
    (r"\bOWNER/NAME\b", "someone/adapter"),
    (r"\brescore fpb FILE\b", f"rescore fpb {ENTRY}/generations/fpb.jsonl"),
    (r"\bmodel DIR\b", 'model "$HARNESS_MIRROR/models/Qwen/Qwen3-0.6B"'),
    (r"\bverify (mine|sam|first|runs/<run>)", f"verify {ENTRY}"),
    (r"\bcompare runs/<run> runs/<other>", f"compare {ENTRY} {ENTRY}-r2"),
    (r"runs/<run>", "runs/finished"),
    (r"\[(--\w+)\]", r"\1"),
    # Hours, or minutes where a whole run of the same kind is a test: the same choice, planned.
    (r"^harness run (.*?)( --out \S+)?$", r"harness plan \1"),
    (r"^(harness sweep .*)$", r"\1 --dry-run"),
    (r"^(harness up) --supernodes 10$", r"\1 --supernodes 2"),
]
"""What a reader puts in the place of a name, and what is done in the place of hours."""

ALLOWED = {"harness doctor": (0, 7)}
"""Exit codes: a machine without the hub is not ready for a real run, and doctor says so."""

QWEN = {
    "model_type": "qwen3", "num_hidden_layers": 28, "hidden_size": 1024, "intermediate_size": 3072,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
    "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Return a reader who has installed by README's first command."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, of which a reader could have a clone")
    assert fenced(page_text(ROOT / "README.md"))[0] == INSTALL
    return Reader(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="module")
def done() -> set[str]:
    """Return the commands of `ONCE` that a page has had typed."""
    return set()


def finished(folder: Path) -> None:
    """Write a finished run, as far as publishing needs one."""
    made = Submission()
    made.add_weights()
    made.write(folder)
    shutil.rmtree(folder / "generations")  # a submission's, which have no prompts
    for name in ("manifest.json", "rows.json"):
        (folder / name).unlink()


def furnish(reader: Reader, page: Path) -> None:
    """Put into a fresh clone what the page's reader has by then."""
    reader.clone()
    finished(reader.here / "runs" / "finished")
    project(reader.here / "project", {})
    model = reader.here / "mirror" / "models" / "Qwen" / "Qwen3-0.6B"
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps(QWEN))
    reader.variables["HARNESS_MIRROR"] = str(reader.here / "mirror")
    for block in re.findall(r"^```toml\n(recipe =.*?)^```", page_text(page), re.M | re.S):
        (reader.here / "sweep.toml").write_text(block)
    if page.name == "submitting.md":
        reader.git("add", "-A", "harness")
        reader.git("checkout", "-q", "-B", "main")
        reader.git("checkout", "-q", "-B", "my-branch")
        reader.git("checkout", "-q", "main")
        reader.git("rm", "-q", "-r", f"{ENTRY}-r2")
        reader.git("commit", "-q", "-m", "Before the entry")
        reader.git("checkout", "-q", "-B", "my-branch")
        reader.git("revert", "--no-edit", "HEAD")
        reader.git("checkout", "-q", "main")


def typed(reader: Reader, done: set[str], command: str) -> None:
    """Type one command of a page as its reader would."""
    if command in ONCE and command in done:
        return
    if command == NEW and reader.entry is not None:
        shutil.copytree(reader.entry, reader.here / "my-entry")  # an installed name is refused
        return
    line = command
    for pattern, replacement in INSTEAD:
        line = re.sub(pattern, replacement, line)
    if line == "harness up --supernodes 2":
        reader.up(line)
    else:
        reader.type(line, ALLOWED.get(command, (0,)))
    done.add(command)


@pytest.mark.parametrize("page", READ, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_runs_as_it_stands(
    page: Path, reader: Reader, done: set[str]
) -> None:
    commands = [text for text in fenced(page_text(page)) if why_not_here(text) is None]
    if not commands:
        return
    furnish(reader, page)
    if NEW not in commands and reader.entry is None and "my-entry" in " ".join(commands):
        for command in (NEW, "cd my-entry", ONCE[0], "cd .."):
            typed(reader, done, command)
    if page.name == "extensions.md":
        assert reader.entry is not None
        assert json.loads(reader.type("harness plugins my-entry --json"))["editable"] is True
        [offered] = re.findall(r"^```python\n(.*?)^```", page_text(page), re.M | re.S)
        with (reader.entry / "src" / "harness_my_entry" / "__init__.py").open("a") as file:
            file.write(f"\n\n{offered}")
    for command in commands:
        typed(reader, done, command)


def test_every_cell_of_the_notebook_runs_there(reader: Reader) -> None:
    reader.clone()
    cells = json.loads((ROOT / "docs" / "python.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (reader.here / "cells.py").write_text("\n".join(code))
    assert "76.04 %" in reader.type("python cells.py")


def test_a_plugin_s_wheel_leads_to_a_recorded_run_there(reader: Reader) -> None:
    """What writing-a-plugin.md ends with: the wheel, on another's machine, in a real smoke run."""
    commands = fenced(page_text(LAST[0]))
    [run] = [text for text in commands if re.match("harness run .*--smoke --out", text)]
    reader.clone()
    if reader.entry is not None:
        reader.type("pip uninstall -q -y flowertune-harness-my-entry")
    for command in (NEW, "cd my-entry", commands[-1]):
        reader.type(command)
    reader.type("pip install -q dist/*.whl")
    reader.type(run)
    record = json.loads((reader.here / "smoke" / "result.json").read_text())
    entry = next(item for item in record["plugins"] if item["name"] == "my-entry")
    assert entry["version"] == "0.1.0"
    assert entry["editable"] is False
    assert re.fullmatch("[0-9a-f]{64}", entry["digest"])
    assert {item["name"] for item in record["plugins"]} == {"my-entry", "standard"}
    assert record["spec"]["strategy"] == {"name": "my-entry/damped", "params": {"eta": 0.8}}
    assert record["eligible"] is False
    reader.type("harness verify smoke")
