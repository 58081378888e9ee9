"""A strategy whose code fails ends the run with one line that names it, and is not asked again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flwr.serverapp.strategy import FedAvg
from served import serve
from tiny_run import tiny_run

from harness.components import LocalObjective
from harness.errors import PluginError
from harness.federation import client
from harness.plugins import loading


@pytest.fixture
def patched(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function that changes fields of `standard/fedavg` until the test ends."""
    method = loading.load("standard").strategies["fedavg"]

    def patch(**fields: Any) -> None:
        for name, value in fields.items():
            before = getattr(method, name)
            object.__setattr__(method, name, value)
            request.addfinalizer(lambda n=name, b=before: object.__setattr__(method, n, b))

    return patch


class Raising(FedAvg):
    """Fails where it combines."""

    def aggregate_train(self, server_round: int, replies: Any) -> Any:
        """Raise."""
        return {}["nothing"]


class Waiting(FedAvg):
    """Wants more supernodes than there are."""


def part(**fields: Any) -> Callable[[Any], LocalObjective]:
    return lambda params: LocalObjective(name="part", **fields)


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "build": ({"build": lambda p, c: p.nothing}, "build() raised AttributeError"),
    "not-a-strategy": ({"build": lambda p, c: 3}, "build() returned int"),
    "aggregate": (
        {"build": lambda p, c: Raising(fraction_train=c.fraction, fraction_evaluate=0.0)},
        "aggregate_train() of round 1 raised KeyError: 'nothing'",
    ),
    "waiting": (
        {"build": lambda p, c: Waiting(fraction_train=c.fraction, min_available_nodes=99)},
        "waits in round 1 for more than the",
    ),
    "part": ({"local_objective": lambda p: None}, "local_objective() returned NoneType"),
    "loss": ({"local_objective": part(loss=lambda a, b: 1.0)}, "loss() returned 1.0"),
    "loss-raises": ({"local_objective": part(loss=lambda a, b: b["x"])}, "loss() raised KeyError"),
    "finish": ({"local_objective": part(finish=lambda done: 1 / 0)}, "finish() raised ZeroDiv"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_failing_strategy_is_named_in_one_line(
    case: str,
    patched: Callable[..., None],
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields, words = CASES[case]
    monkeypatch.setattr(client, "_worker", None)  # it keeps what it built for a job
    patched(**fields)
    with pytest.raises(PluginError) as caught:
        serve(tiny_run(tiny_model, supernodes=4), tmp_path / "run")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
