"""The roster, the bytes of both directions, the limit, and what a strategy may send."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message
from flwr.serverapp.strategy import FedAvg
from local_grid import LocalGrid
from served import serve
from tiny_run import TinyRun, tiny_run

from harness.errors import PluginError, RosterError, RuleViolationError
from harness.federation.serverapp import roster
from harness.planning.forecast import message_bytes
from harness.plugins import load_components
from harness.spec import ChallengeRef


def shapes_of(run: TinyRun) -> dict[str, tuple[int, ...]]:
    components = load_components(run.spec)
    return components.method.shapes(run.spec.model, components.peft_params)


@pytest.mark.parametrize(
    ("partitions", "problem"),
    [
        ([0, 1, 2, 2], "two supernodes hold partition 2"),
        ([0, 1, 2, 7], r"hold partitions \[7\]; expected exactly 0..3"),
        ([0, 1, 2], "connected: 3 supernodes; the challenge has exactly 4"),
        ([0, 1, 2, 3, 4], "connected: 5 supernodes"),
    ],
)
def test_the_roster_must_be_the_partitions(
    partitions: list[int],
    problem: str,
    small: TinyRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roster, "CONNECT_LIMIT_S", 0.3)
    with pytest.raises(RosterError, match=problem):
        serve(small, tmp_path, LocalGrid(len(partitions), partitions=partitions))


def test_a_silent_supernode_is_missed_within_a_limit(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "CONNECT_LIMIT_S", 0.3)
    grid = LocalGrid(4)
    grid.silent = {2}
    with pytest.raises(RosterError, match="1 of 4 supernodes did not say their partition"):
        serve(small, tmp_path, grid)


def test_a_client_that_dies_while_it_is_asked_its_partition_is_asked_again(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "RETRY_PAUSE_S", 0.0)
    grid = LocalGrid(4)
    grid.deaths = {1: roster.ATTEMPTS - 1, 3: 1}
    expected = serve(small, tmp_path / "quiet").digests
    assert serve(small, tmp_path / "disturbed", grid).digests == expected
    grid = LocalGrid(4)
    grid.deaths = {1: roster.ATTEMPTS}
    with pytest.raises(
        RosterError, match=r"1 of 4 .* in 4 attempts \(the process that ran it died"
    ):
        serve(small, tmp_path / "dead", grid)


def test_bytes_are_the_forecast_ones(small: TinyRun, tmp_path: Path) -> None:
    one = message_bytes(shapes_of(small))
    for record in serve(small, tmp_path).outcome.rounds:
        assert record.bytes_down == record.bytes_up == 2 * one
        assert [client.bytes_up for client in record.clients] == [one, one]
        assert record.message_bytes_down is record.message_bytes_up is None


def test_a_plan_that_moves_less_is_counted_as_it_is(tiny_model: Path, tmp_path: Path) -> None:
    run = tiny_run(tiny_model, "fedsa", supernodes=4)
    shapes = shapes_of(run)
    factors = message_bytes({name: shape for name, shape in shapes.items() if "lora_A" in name})
    *rounds, last = serve(run, tmp_path).outcome.rounds
    for record in rounds:
        assert record.bytes_down == record.bytes_up == 2 * factors
        assert record.message_bytes_down == record.message_bytes_up == factors
    assert (last.bytes_down, last.bytes_up) == (2 * factors, 2 * message_bytes(shapes))


@pytest.mark.parametrize(("messages", "rounds_done"), [(4 * 3 - 1, 2), (4 * 2, 2), (5, 1)])
def test_the_measured_limit_ends_the_run(
    messages: int, rounds_done: int, small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.boards.challenge import Communication

    limit = messages * message_bytes(shapes_of(small))
    monkeypatch.setattr(Communication, "limit_bytes", limit)
    with pytest.raises(RuleViolationError, match=rf"the challenge allows {limit}"):
        serve(small, tmp_path)
    assert len((tmp_path / "rounds.jsonl").read_text().splitlines()) == rounds_done


def test_exactly_the_limit_is_allowed(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.boards.challenge import Communication

    monkeypatch.setattr(Communication, "limit_bytes", 12 * message_bytes(shapes_of(small)))
    assert len(serve(small, tmp_path).outcome.rounds) == 3


def half(messages: list[Message]) -> list[Message]:
    return messages[:1]


def twice(messages: list[Message]) -> list[Message]:
    return [messages[0], messages[0]]


def unread(messages: list[Message]) -> list[Message]:
    messages[0].content["config"]["proximal-mu"] = 1.0
    return messages


def emptied(messages: list[Message]) -> list[Message]:
    del messages[0].content["arrays"]
    return messages


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (half, "sampled 1 client in round 1; the recipe's fraction gives 2"),
        (twice, "two messages to one client"),
        (unread, r"sends \['proximal-mu'\] to its clients and nothing reads it"),
        (emptied, r"holds array records \[\]"),
        (lambda messages: [], "sampled no client"),
    ],
)
def test_a_strategy_that_breaks_its_round_is_refused(
    spoil: Any, problem: str, small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = FedAvg.configure_train

    def configure(self: FedAvg, *args: Any) -> Iterable[Message]:
        return spoil(list(work(self, *args)))

    monkeypatch.setattr(FedAvg, "configure_train", configure)
    with pytest.raises((PluginError, Exception), match=problem):
        serve(small, tmp_path)


def test_the_challenge_must_be_the_resolved_one(small: TinyRun, tmp_path: Path) -> None:
    from harness.federation.engine import federate
    from harness.federation.options import Options

    ref = ChallengeRef.of(small.challenge).with_values(digest="0" * 64)
    spec = small.spec.with_values(challenge=ref)
    with pytest.raises(PluginError, match="the spec was resolved against 000000000000"):
        federate(TinyRun(spec, small.challenge, small.assets).job, tmp_path, Options())
