"""A core's rate is what numpy multiplies at, kept for a day; a machine may not be measured."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from harness.machine import core_speed
from harness.machine.cache_folder import CACHE_VARIABLE
from harness.machine.core_speed import KEPT, KEPT_S, CoreSpeed
from harness.machine.machine import CORE_FLOPS, measured_machine


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that keeps a measurement."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    return tmp_path / KEPT


def test_cores_are_measured_together_and_told_in_two_digits() -> None:
    pytest.importorskip("numpy")
    flops = CoreSpeed(2).flops
    assert flops is not None
    assert 1e9 < flops < 1e13, "from a small board to what no core of today does"
    assert float(f"{flops:.2g}") == flops


def changed(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, False),
        ({"machine": "another"}, True),
        ({"cores": 3}, True),
        ({"at_s": 60.0 - KEPT_S}, False),
        ({"at_s": -KEPT_S}, True),
        ({"at_s": 60.0}, True),
        ({"flops": -1.0}, True),
        ({"flops": "fast"}, True),
    ],
)
def test_a_measurement_is_kept_for_a_day_on_its_machine(
    change: dict[str, object], again: bool, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CoreSpeed, "_measured", lambda self: 7e10)
    monkeypatch.setattr(core_speed.time, "time", lambda: 1e9)
    assert CoreSpeed(2).flops == 7e10
    monkeypatch.setattr(CoreSpeed, "_measured", lambda self: 9e10)
    at_s = change.pop("at_s", 0.0)
    assert isinstance(at_s, float)
    changed(kept, at_s=1e9 + at_s, **change)
    assert CoreSpeed(2).flops == (9e10 if again else 7e10)
    assert json.loads(kept.read_text())["flops"] == (9e10 if again else 7e10)


@pytest.mark.parametrize("fault", ["no numpy", "a numpy that fails", "too slow", "no words"])
def test_what_cannot_be_measured_is_forecast_by_vector_width(
    fault: str, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "no numpy":
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    elif fault == "too slow":
        monkeypatch.setattr(core_speed, "LIMIT_S", 0.001)
    else:
        program = "false" if fault == "a numpy that fails" else "true"
        monkeypatch.setattr(core_speed, "bare_python", lambda module: [program])
    machine = measured_machine()
    assert machine.measured_core_flops is None
    assert machine.core_flops == CORE_FLOPS[machine.vector_bits]
    assert not kept.exists()


def test_a_folder_that_cannot_be_written_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    monkeypatch.setattr(CoreSpeed, "_measured", lambda self: 7e10)
    assert CoreSpeed(2).flops == 7e10
