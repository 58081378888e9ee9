"""What a client waits for in a plugin's code reaches the server while it waits."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.components import LocalObjective, LocalRound, StrategyMethod
from harness.document import Document
from harness.federation.clientapp.long_calls import kept_for_the_server, long_call
from harness.federation.strategy_parts import client_part
from harness.plugins import long_calls


def test_a_client_part_that_takes_long_is_named_to_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_calls, "LONG_CALL_S", 0.2)
    seen: list[str | None] = []

    def finish(done: LocalRound) -> dict[str, object]:
        seen.append(long_call(tmp_path, 3))
        end = time.monotonic() + 10
        while long_call(tmp_path, 3) is None and time.monotonic() < end:
            time.sleep(0.05)
        seen.append(long_call(tmp_path, 3))
        return {}

    method = StrategyMethod(
        "mine", Document, build=print,
        local_objective=lambda params: LocalObjective(name="part", finish=finish),
    )  # fmt: skip
    part = client_part("mine", method, Document())
    assert part is not None
    assert part.finish is not None
    with kept_for_the_server(tmp_path, 3):
        part.finish(LocalRound({}, {}, 1, 0.1, {}))
    assert seen[0] is None
    assert "still in strategy mine: finish() (test_client_long_calls.py:" in str(seen[1])
    assert not list(tmp_path.iterdir())


def test_where_the_server_has_no_folder_a_round_goes_on() -> None:
    with kept_for_the_server(None, 3):
        pass
