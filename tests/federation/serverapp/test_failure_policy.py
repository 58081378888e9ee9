"""A failed client is asked again as declared; then the run fails. Never a smaller average."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from harness_tiny.faults import order
from local_grid import LocalGrid
from served import serve
from tiny_run import TinyRun

from harness.errors import ClientFailedError, PluginError
from harness.federation import client

CAUSES = {
    "raise": "ValueError: the moon is in the wrong house",
    "nan": "holds 1 NaN or infinite values",
    "shape": "has shape",
    "missing": "is missing; 7 of 8 tensors came",
    "dtype": "has dtype float16; expected float32",
    "extra": "tensor extra was not asked for",
    "order": "tensors came in another order",
}


@pytest.fixture
def clean(small: TinyRun, tmp_path: Path) -> tuple[int, list[str]]:
    """First sampled partition of round 1, and the digests of a run without faults."""
    served = serve(small, tmp_path / "clean")
    return served.outcome.rounds[0].partitions[0], served.digests


@pytest.mark.parametrize("kind", CAUSES)
def test_a_client_that_fails_once_changes_no_digest_and_is_told(
    kind: str,
    small: TinyRun,
    faults: Path,
    clean: tuple[int, list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    partition, digests = clean
    order(faults, kind, partition, times=1)
    capsys.readouterr()
    served = serve(small, tmp_path / "run", retries=1)
    assert served.digests == digests
    said = capsys.readouterr().err
    assert f"round 1, attempt 1 of 2: partition {partition} failed: " in said
    assert CAUSES[kind] in said
    assert served.outcome.rounds[0].clients[0].attempts == 2
    assert served.recovered == 1


@pytest.mark.parametrize("kind", CAUSES)
def test_a_client_that_keeps_failing_ends_the_run_with_its_cause(
    kind: str, small: TinyRun, faults: Path, clean: tuple[int, object], tmp_path: Path
) -> None:
    partition, _ = clean
    order(faults, kind, partition, times=99)
    with pytest.raises(ClientFailedError) as caught:
        serve(small, tmp_path / "run", retries=1)
    message = str(caught.value)
    assert message.startswith(f"client of partition {partition} failed in round 1, attempt 2 of 2")
    assert CAUSES[kind] in message
    assert not (tmp_path / "run" / "adapter").exists()


def test_the_message_holds_the_clients_own_traceback(
    small: TinyRun, faults: Path, clean: tuple[int, object], tmp_path: Path
) -> None:
    order(faults, "raise", clean[0], times=9)
    with pytest.raises(ClientFailedError, match=r"(?s)Traceback.*in _before.*moon"):
        serve(small, tmp_path / "run", retries=0)


def test_a_refusal_of_the_harness_is_not_retried_and_keeps_its_exit_code(
    small: TinyRun, faults: Path, clean: tuple[int, object], tmp_path: Path
) -> None:
    order(faults, "refuse", clean[0], times=1)
    with pytest.raises(PluginError, match=r"failed in round 1: the prompt masks every label"):
        serve(small, tmp_path / "run", retries=5)


def test_a_failed_run_resumes_to_the_same_digests(
    small: TinyRun, faults: Path, clean: tuple[int, list[str]], tmp_path: Path
) -> None:
    partition, digests = clean
    order(faults, "raise", partition, times=1)
    with pytest.raises(ClientFailedError):
        serve(small, tmp_path / "run", retries=0)
    assert serve(small, tmp_path / "run", retries=0).digests == digests


def test_a_silent_client_fails_after_its_limit(
    small: TinyRun,
    clean: tuple[int, object],
    tmp_path: Path,
    faults: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The other clients are in this process, which their own limit would end on a busy machine.
    monkeypatch.setattr(client, "time_limit", lambda *given: nullcontext())
    partition, _ = clean
    grid = LocalGrid(4)
    answer = grid.push_messages

    def push(messages: list) -> list[str]:
        if messages[0].metadata.message_type == "train":
            grid.silent = {partition}
        return answer(messages)

    grid.push_messages = push
    with pytest.raises(ClientFailedError, match=rf"partition {partition} .*: no reply within 3 s"):
        serve(small, tmp_path / "run", grid, retries=0, client_timeout_s=1.5, grace_s=0.0)
