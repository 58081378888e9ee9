"""A client that `flwr run` started waits as one of ours does: its threads do not spin for long."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.federation import client
from harness.processes.waiting_threads import WAITING


def test_a_client_that_others_started_sets_how_its_threads_wait_before_it_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [first, *others] = WAITING
    for name in others:
        monkeypatch.setenv(name, "")  # so that the end of the test takes it away
        monkeypatch.delenv(name)
    monkeypatch.setenv(first, "somebody's own")
    monkeypatch.setattr(client, "_worker", None)
    monkeypatch.setattr(client, "job_here", lambda *_: None)
    monkeypatch.setattr(
        "harness.federation.clientapp.worker.Worker",
        lambda _, digest: SimpleNamespace(digest=digest, found=dict(os.environ)),
    )
    found = client._worker_of("job", "digest", Path()).found  # type: ignore[attr-defined]
    assert found[first] == "somebody's own"
    assert {name: found[name] for name in others} == {name: WAITING[name] for name in others}
