"""The tiny plugin on the path, its model, and faults on order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TINY = Path(__file__).parents[1] / "tiny"
if str(TINY) not in sys.path:
    sys.path.insert(0, str(TINY))

from tiny_model import make_tiny_model  # noqa: E402  # needs the path above
from tiny_run import TinyRun, tiny_run  # noqa: E402


@pytest.fixture(autouse=True)
def _fresh_plugins() -> None:
    """Other tests install plugins under a path of their own."""
    from harness.plugins import loading

    loading.load.cache_clear()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny model."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture
def small(tiny_model: Path) -> TinyRun:
    """Three rounds of two of four clients."""
    return tiny_run(tiny_model, supernodes=4)


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files make clients fail; see `harness_tiny.faults`."""
    from harness_tiny.faults import install

    from harness.federation import grid
    from harness.training.trainer import Trainer

    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setattr(grid, "RETRY_PAUSE_S", 0.0)
    monkeypatch.setattr(Trainer, "train", Trainer.train)  # put back after the test
    install(str(folder))
    return folder
