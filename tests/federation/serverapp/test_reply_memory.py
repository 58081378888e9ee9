"""Replies of a round wait for its end outside of the server's memory, and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_grid import LocalGrid
from served import serve
from tiny_run import tiny_run

from harness.federation.serverapp import client_requests


@pytest.mark.parametrize("recipe", ["fedavg", "momentum"])
def test_one_reply_stays_in_memory_and_the_others_wait_in_files(
    recipe: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(tiny_model, recipe, supernodes=4, fraction=1.0, rounds=2)
    kept = client_requests.on_disk
    files = 0

    def counting(*arguments: Any) -> Any:
        nonlocal files
        files += 1
        return kept(*arguments)

    monkeypatch.setattr(client_requests, "on_disk", counting)
    found = serve(run, tmp_path / "files", LocalGrid(4)).digests
    assert files == 2 * (4 - 1)
    monkeypatch.setattr(client_requests, "KEPT_IN_MEMORY", 4)
    assert serve(run, tmp_path / "memory", LocalGrid(4)).digests == found
    assert files == 2 * (4 - 1)
    assert not [path for path in (tmp_path / "files").iterdir() if path.name.startswith("tmp")]


def test_a_second_answer_to_a_message_is_not_looked_at(tiny_model: Path, tmp_path: Path) -> None:
    run = tiny_run(tiny_model, supernodes=4, rounds=2)
    expected = serve(run, tmp_path / "once", LocalGrid(4)).digests

    class Twice(LocalGrid):
        def pull_messages(self, message_ids):
            return [reply for reply in super().pull_messages(message_ids) for _ in range(2)]

    assert serve(run, tmp_path / "twice", Twice(4)).digests == expected
