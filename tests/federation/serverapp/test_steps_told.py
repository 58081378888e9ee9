"""Who waits hears of each step, also while no client has answered yet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from flwr.app import Message
from local_grid import LocalGrid
from served import serve
from tiny_run import TinyRun

from harness.progress import Meter


class SlowGrid(LocalGrid):
    """Answers a round's messages after looks at which clients are one step further each."""

    def __init__(self, count: int, logs: Path, steps: int) -> None:
        """Clients take `steps` in a round and count them in `logs`."""
        super().__init__(count)
        self.logs, self.steps, self.looks = logs, steps, 0
        self.waits: dict[int, str] = {}
        """Look -> what a client keeps for the server before it."""

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return nothing until every client is at its last step."""
        files = list(self.logs.glob("steps-*"))
        if files and self.looks < 2 * self.steps:  # there are two clients, each is looked for
            if self.looks in self.waits:
                partition = files[0].name.removeprefix("steps-")
                (self.logs / f"waits-{partition}.txt").write_text(self.waits[self.looks])
            self.looks += 1
            for file in files:
                file.write_bytes(b"." * (self.looks // 2))
            return []
        return super().pull_messages(message_ids)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps were told, each time."""
    told: list[int] = []
    monkeypatch.setattr(Meter, "advance", lambda meter, units, note: told.append(units))
    return told


def test_steps_are_told_before_a_client_answers_and_counted_once(
    small: TinyRun, tmp_path: Path, told: list[int]
) -> None:
    steps, rounds = small.spec.train.max_steps, small.spec.train.rounds
    grid = SlowGrid(4, tmp_path / "logs", steps)
    digests = serve(small, tmp_path, grid).digests
    assert steps > 1
    assert told[: 2 * steps] == [1] * 2 * steps  # the first round, step by step
    assert sum(told) == rounds * 2 * steps
    assert not list((tmp_path / "logs").glob("steps-*"))
    assert serve(small, tmp_path / "plain").digests == digests


def test_a_client_that_counts_more_than_its_steps_is_not_believed(
    small: TinyRun, tmp_path: Path, told: list[int]
) -> None:
    steps, rounds = small.spec.train.max_steps, small.spec.train.rounds
    serve(small, tmp_path, SlowGrid(4, tmp_path / "logs", 50 * steps))
    assert sum(told) == rounds * 2 * steps


def test_steps_are_told_of_as_many_as_this_session_takes(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    advance = Meter.advance

    def noted(meter: Meter, units: int, note: str) -> None:
        advance(meter, units, note)
        told.append((meter.done, meter.total))

    monkeypatch.setattr(Meter, "advance", noted)
    train = small.spec.train
    whole = serve(small, tmp_path / "run").outcome
    assert told[-1] == (train.rounds * 2 * train.max_steps,) * 2
    serve(small, tmp_path / "round", until=1)
    assert told[-1] == (2 * train.max_steps,) * 2
    serve(small, tmp_path / "round", only=whole.rounds[1].partitions[0])
    assert told[-1] == (3 * train.max_steps,) * 2


def test_what_a_client_waits_for_is_said_once_while_it_waits(
    small: TinyRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    grid = SlowGrid(4, tmp_path / "logs", small.spec.train.max_steps)
    call = "still in strategy mine: finish() (mine.py:3)"
    grid.waits = {0: f"{call}, 0:20 now\n", 2: f"{call}, 0:40 now\n"}
    serve(small, tmp_path, grid)
    said = [line for line in capfd.readouterr().err.splitlines() if "still in" in line]
    assert [line.partition(": ")[2] for line in said] == [f"{call}, 0:20 now", f"{call}, 0:40 now"]
    assert all(line.startswith("client of partition ") for line in said)
    assert not list((tmp_path / "logs").glob("waits-*"))
