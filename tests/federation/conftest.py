"""Faults on order."""

from __future__ import annotations

from pathlib import Path

import pytest
from counted_rows import count_rows_once


@pytest.fixture(autouse=True)
def _fresh_plugins() -> None:
    """Other tests install plugins under a path of their own."""
    from harness.plugins import loading

    loading.load.cache_clear()


@pytest.fixture(scope="session")
def counted() -> dict[str, tuple[int, int]]:
    """What `count_rows_once` has counted."""
    return {}


@pytest.fixture(autouse=True)
def _rows_are_counted_once(
    counted: dict[str, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainers of equal settings count their rows once."""
    count_rows_once(monkeypatch, counted)


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files make clients fail; see `harness_tiny.faults`."""
    from harness_tiny.faults import install

    from harness.federation.serverapp import client_requests
    from harness.training.trainer import Trainer

    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setattr(client_requests, "RETRY_PAUSE_S", 0.0)
    monkeypatch.setattr(Trainer, "train", Trainer.train)  # put back after the test
    install(str(folder))
    return folder
