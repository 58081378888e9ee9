"""Client processes on many nodes: a node that is gone costs messages an error, and nobody waits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from harness.federation.cluster import backend as module
from harness.federation.cluster.backend import ClusterBackend, State
from harness.federation.cluster.nodes import Node, Place

HERE, THERE = Node("1", "here (10.0.0.1)", 4), Node("2", "there (10.0.0.2)", 4)


class Processes:
    """Client processes that are numbers; a node's can all die at once."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.gone: set[int] = set()
        self.nodes = {"1", "2"}
        self.at_work = threading.Event()
        self.hold = threading.Event()
        self.hold.set()

    def start(self, place: Place) -> int:
        self.places.append(place)
        return len(self.places) - 1

    def ask(self, one: int) -> None:
        """State says it."""

    def state(self, one: int) -> State:
        return "gone" if self._dead(one) else "ready"

    def call(self, one: int, *job: Any) -> tuple[Any, Any]:
        self.at_work.set()
        while not self.hold.wait(0.01) and not self._dead(one):
            pass
        if self._dead(one):
            raise RuntimeError("ActorDiedError")
        return one, job[-1]

    def end(self, one: int) -> None:
        self.gone.add(one)

    def living(self) -> set[str]:
        return self.nodes

    def lose(self, node: Node) -> None:
        """Let a node and all on it be gone."""
        self.nodes = self.nodes - {node.id}

    def _dead(self, one: int) -> bool:
        return one in self.gone or self.places[one].node.id not in self.nodes


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    monkeypatch.setattr(module, "AGAIN_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    return Processes()


def built(processes: Processes, places: list[Place], count: int, limit_s: float = 5) -> Any:
    made = ClusterBackend(places, count, processes, limit_s)
    made.build(lambda: None)
    return made


def ask(backend: ClusterBackend, partition: int) -> Any:
    context = SimpleNamespace(node_config={"partition-id": partition})
    return backend.process_message(f"message {partition}", context)[0]


def test_clients_of_a_node_that_is_gone_are_started_where_there_is_room(
    processes: Processes,
) -> None:
    places = [Place(HERE), Place(THERE), Place(HERE), Place(THERE)]
    backend = built(processes, places, 2)
    assert {ask(backend, 0), ask(backend, 1)} <= {0, 1}
    processes.lose(THERE)
    failed = 0
    for partition in range(4):
        try:
            ask(backend, partition)
        except RuntimeError:
            failed += 1
    assert failed <= 1
    with ThreadPoolExecutor(2) as pool:
        found = set(pool.map(lambda partition: ask(backend, partition), range(8)))
    assert {processes.places[one].node for one in found} == {HERE}
    assert len(processes.places) == 3  # one more, in the free place of the node that lives


def test_one_death_lets_the_idle_ones_of_its_node_be_found_out(processes: Processes) -> None:
    backend = built(processes, [Place(THERE), Place(THERE), Place(THERE), Place(HERE)], 4)
    ask(backend, 0)
    assert len(backend.idle) == 4
    backend.idle.sort(key=lambda one: -one.spot)  # one of the lost node is taken first
    processes.lose(THERE)
    with pytest.raises(RuntimeError, match="ActorDied"):
        ask(backend, 1)
    assert [ask(backend, number) for number in range(3)] == [3, 3, 3]


def test_what_hangs_is_ended_and_another_answers(processes: Processes) -> None:
    backend = built(processes, [Place(HERE)], 1)
    processes.hold.clear()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(ask, backend, 0)
        assert processes.at_work.wait(5)
        backend.replace_working()
        with pytest.raises(RuntimeError, match="ActorDied"):
            hanging.result(5)
    processes.hold.set()
    assert ask(backend, 0) == 1


def test_nobody_waits_for_a_cluster_that_is_gone(processes: Processes) -> None:
    backend = built(processes, [Place(HERE)], 1, limit_s=0.1)
    processes.lose(HERE)
    with pytest.raises(RuntimeError, match="no node of the Ray cluster takes a client"):
        ask(backend, 0)


def test_what_is_left_is_ended_with_the_run(processes: Processes) -> None:
    backend = built(processes, [Place(HERE), Place(THERE)], 2)
    backend.terminate()
    assert processes.gone == {0, 1}
    with pytest.raises(RuntimeError, match="at its end"):
        ask(backend, 0)
