"""What a failed start of Ray becomes: tried once more, one line for users, or a bug's traceback."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import FederationError
from harness.federation.simulation import ray_session as module


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception]]:
    """Let each start of Ray raise the next of these errors; none is left untried."""
    errors: list[Exception] = []

    def start(home: str, **options: object) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(module, "start_ray", start)
    yield errors
    assert errors == []


def start(folder: Path) -> None:
    with module.ray_session(2, None, 1, str(folder), threading.Event()):
        raise AssertionError("nothing has started")


def test_ray_s_own_failure_is_tried_again_and_then_told_in_one_line(
    starts: list[Exception], tmp_path: Path
) -> None:
    starts += [RuntimeError("late"), Exception("the node timed out\nand more")]
    with pytest.raises(FederationError, match=r"^Ray does not start \(the node timed out\); free"):
        start(tmp_path)


@pytest.mark.parametrize("kind", [TypeError, AttributeError, NameError])
def test_a_call_that_does_not_fit_ray_is_not_blamed_on_memory(
    starts: list[Exception], tmp_path: Path, kind: type[Exception]
) -> None:
    starts += [kind("unexpected keyword argument")]
    with pytest.raises(kind, match="unexpected keyword argument"):
        start(tmp_path)


def test_too_few_addresses_are_told_before_ray_would_wait_for_ever(
    starts: list[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {resource.RLIMIT_AS: (5 * 2**30 - 1, resource.RLIM_INFINITY)}
    monkeypatch.setattr(resource, "getrlimit", limits.__getitem__)
    with pytest.raises(FederationError, match=r"ulimit -v leaves each process 5\.0 GiB"):
        start(tmp_path)
    for enough in (5 * 2**30, resource.RLIM_INFINITY):
        limits[resource.RLIMIT_AS] = (enough, enough)
        starts += [TypeError("started")]
        with pytest.raises(TypeError, match="started"):
            start(tmp_path)
