"""Fixtures for all tests, and what is left out where the extra `[run]` is not installed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import progress
from harness.plugins import loading

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

TINY = ROOT / "tests" / "tiny"
if str(TINY) not in sys.path:
    sys.path.insert(0, str(TINY))

if TYPE_CHECKING:
    from tiny_run import TinyRun

HEAVY = [
    "library_internals/test_canaries.py",
    "processes/test_lifetime.py",
    "boards/test_fifth_board.py",
    "components/test_families_in_peft.py",
    "isolation/test_plugin_process.py",
    "cheats",
    "training",
    "evaluation",
    "frontier",
    "publishing/test_gguf_file.py",
    "federation",
    "reproduce",
    "sources",
    "plugins/standard",
    "plugins/smollm2_dora",
    "plugins/federated_lora",
    "pipeline",
]
"""Folders and files of tests that need the extra `[run]`: torch, Flower, lm-eval, psutil."""

collect_ignore = [] if find_spec("torch") else HEAVY

ASKS_FOR_THE_EXTRA = re.compile(r"importorskip|find_spec|HEAVY")
"""What stands in a test file of which some tests run only, or mean more, where the extra is."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run with the extra leave out what a run without it has tested whole."""
    parser.addoption(
        "--after-light",
        action="store_true",
        help="leave out test files that need nothing of the extra [run]: `tox -e light` ran them",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a file of light tests out after `tox -e light`; decide nothing else."""
    if not config.getoption("--after-light") or not collection_path.name.startswith("test_"):
        return None
    needs_extra = any(collection_path.is_relative_to(ROOT / "tests" / name) for name in HEAVY)
    if needs_extra or ASKS_FOR_THE_EXTRA.search(collection_path.read_text()):
        return None
    return True


@pytest.fixture(autouse=True)
def _modules_of_a_test_go_with_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget modules that a test made and imported, or that lie with tests and benches: a client
    in this process, which goes on from test to test, refuses what has come since."""
    before = set(sys.modules)
    yield
    ours = (str(tmp_path_factory.getbasetemp()), str(ROOT / "bench"), str(ROOT / "tests"))
    folders = tuple(f"{folder}{os.sep}" for folder in ours)
    for name in sys.modules.keys() - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(folders):
            del sys.modules[name]
    sys.modules.pop("modeling_own", None)


@pytest.fixture(autouse=True)
def _a_quiet_command_quiets_its_own_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what `--quiet` and `--verbose` set for the whole process."""
    monkeypatch.setattr(progress, "silent", progress.silent)
    monkeypatch.setattr(progress, "verbose", progress.verbose)


@pytest.fixture
def mirror() -> Path:
    """Return the mirror with the real finance data, or skip."""
    folder = Path(os.environ.get("HARNESS_MIRROR") or SHARED / "hub")
    if not (folder / "datasets").is_dir():
        pytest.skip("no mirror of the finance data: set HARNESS_MIRROR")
    return folder


@pytest.fixture
def golden() -> Path:
    """Return the folder of published runs, or skip."""
    folder = SHARED / "golden" / "finance"
    if not folder.is_dir():
        pytest.skip("no published runs beside the checkout (../shared/golden)")
    return folder


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that installs a plugin of one module for this test."""
    count = 0

    def install(
        name: str, code: str, requires: str = "flowertune-harness", distribution: str = ""
    ) -> str:
        nonlocal count
        count += 1
        folder = tmp_path / f"site{count}"
        distribution = distribution or f"dist-{name}"
        module = f"plugin_{name.replace('-', '_')}_{os.urandom(4).hex()}"
        info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(code)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
            f"Requires-Dist: {requires}\n"
        )
        (info / "entry_points.txt").write_text(f"[flowertune_harness]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(folder)
        loading.load.cache_clear()
        return module

    return install


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny model."""
    pytest.importorskip("torch")
    from tiny_model import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture
def small(tiny_model: Path) -> TinyRun:
    """Three rounds of two of four clients."""
    from tiny_run import tiny_run

    loading.load.cache_clear()  # other tests install plugins under a path of their own
    return tiny_run(tiny_model, supernodes=4)
