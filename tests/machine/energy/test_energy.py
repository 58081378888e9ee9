"""Joules from counters: what came round, what is denied, two cards, and sessions added up."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import run_directory
from harness.errors import MissingExtraError, UsageError
from harness.machine.energy import carbon
from harness.machine.energy.counter import CounterError
from harness.machine.energy.meter import EnergyMeter, counters
from harness.machine.energy.nvml import SampledCard, cards
from harness.machine.energy.powercap import MOST_WATTS, zones
from harness.record.machine import Drawn, EnergyCount, Factor, energy_of

RANGE_UJ = 262_143_328_850


class Tree:
    """A powercap tree as the kernel lays it out, on a disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def zone(self, path: str, name: str, energy_uj: int = 0) -> Path:
        place = self.folder / path
        place.mkdir(parents=True)
        (place / "name").write_text(f"{name}\n")
        (place / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        (place / "energy_uj").write_text(f"{energy_uj}\n")
        return place / "energy_uj"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "powercap")


class NVMLError(Exception):
    """As pynvml raises it."""


class Cards:
    """Stands for pynvml: cards with a count, with power alone, or with neither."""

    NVMLError = NVMLError

    def __init__(self, *cards: dict[str, Any]) -> None:
        self.cards = list(cards)

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.cards:
            raise NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> dict[str, Any]:  # noqa: N802
        return self.cards[number]

    def nvmlDeviceGetName(self, card: dict[str, Any]) -> bytes:  # noqa: N802
        return b"NVIDIA Pretended"

    def nvmlDeviceGetUUID(self, card: dict[str, Any]) -> str:  # noqa: N802
        return f"GPU-{self.cards.index(card)}0000000"

    def nvmlDeviceGetTotalEnergyConsumption(self, card: dict[str, Any]) -> int:  # noqa: N802
        return self._told(card, "energy_mj")

    def nvmlDeviceGetPowerUsage(self, card: dict[str, Any]) -> int:  # noqa: N802
        return self._told(card, "power_mw")

    @staticmethod
    def _told(card: dict[str, Any], name: str) -> int:
        if card.get(name) is None:
            raise NVMLError(card.get("why", "Not Supported"))
        return int(card[name])


def test_packages_and_memory_are_counted_once_each(tree: Tree) -> None:
    tree.zone("intel-rapl:0", "package-0")
    tree.zone("intel-rapl:0/intel-rapl:0:0", "core")
    memory = tree.zone("intel-rapl:0/intel-rapl:0:1", "dram")
    tree.zone("intel-rapl:1", "package-1")
    tree.zone("intel-rapl:2", "psys")
    tree.zone("intel-rapl-mmio:0", "package-0")
    found = list(zones(tree.folder))
    assert not any(isinstance(item, CounterError) for item in found)
    names = [item.what for item in found if not isinstance(item, CounterError)]
    assert names == ["package-0", "dram of package-0", "package-1"]
    memory.write_text("2500000")
    [dram] = [i for i in found if not isinstance(i, CounterError) and i.what.startswith("dram")]
    assert dram.joules() == 2.5


def test_a_count_that_comes_round_goes_on(tree: Tree) -> None:
    place = tree.zone("intel-rapl:0", "package-0", RANGE_UJ - 143_328_850)
    [zone] = zones(tree.folder)
    assert not isinstance(zone, CounterError)
    place.write_text("100000000")
    assert zone.joules() == pytest.approx(243.32885)
    assert zone.joules() == 0
    assert zone.certain_for_s == pytest.approx(RANGE_UJ / 1e6 / MOST_WATTS)


@pytest.mark.parametrize(("waits_s", "unsure"), [(262.0, False), (263.0, True)])
def test_a_count_that_may_have_come_round_twice_is_an_estimate(
    waits_s: float, unsure: bool, tree: Tree
) -> None:
    tree.zone("intel-rapl:0", "package-0")
    clock = SimpleNamespace(now=0.0)
    meter = EnergyMeter(counters("cpu", tree.folder), 1e9, lambda: clock.now)
    with meter:
        clock.now += waits_s
    assert [item.estimated for item in meter.drawn] == [unsure]
    assert any("come round more than once" in note for note in meter.notes) == unsure


def test_a_counter_for_root_alone_is_no_number_and_says_so(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.zone("intel-rapl:0", "package-0")
    read = Path.read_text

    def denied(self: Path, *args: Any, **kwargs: Any) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(self, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", denied)
    meter = EnergyMeter(counters("cpu", tree.folder))
    with meter:
        pass
    assert meter.drawn == []
    [note] = meter.notes
    assert note.startswith("package-0: ")
    assert note.endswith("may be read by root alone")
    assert "not measured (package-0" in energy_of(EnergyCount(notes=(note,))).summary


def test_no_tree_and_no_card_are_not_measured(tmp_path: Path) -> None:
    found = counters("cuda", tmp_path / "nothing", Cards())
    assert all(isinstance(item, CounterError) for item in found)
    assert "NVML: Driver Not Loaded" in [str(item) for item in found]


def test_two_cards_are_two_counts(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    first, second = {"energy_mj": 5_000}, {"energy_mj": 70_000}
    package = tree.zone("intel-rapl:0", "package-0")
    meter = EnergyMeter(counters("cuda", tree.folder, Cards(first, second)))
    with meter:
        first["energy_mj"] += 1_500
        second["energy_mj"] += 2_000
        package.write_text("3000000")
    assert [(item.method, item.joules, item.estimated) for item in meter.drawn] == [
        ("rapl", 3.0, False), ("nvml-energy", 1.5, False), ("nvml-energy", 2.0, False)
    ]  # fmt: skip
    assert meter.drawn[1].what == "GPU 0 NVIDIA Pretended"
    assert EnergyMeter(counters("cpu", tree.folder, Cards(first))).drawn[0].method == "rapl"


@pytest.mark.parametrize(
    ("visible", "numbers"), [("1", "1"), ("GPU-1", "1"), ("", ""), ("0,1", "01"), (None, "01")]
)
def test_only_cards_that_the_run_may_use_are_counted(
    visible: str | None, numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = [i for i in cards(Cards({"energy_mj": 1}, {"energy_mj": 2})) if hasattr(i, "what")]
    assert "".join(item.what.split()[1] for item in found) == numbers


def test_a_card_without_a_count_is_an_estimate_from_its_power(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(SampledCard, "clock", staticmethod(lambda: clock.now))
    card: dict[str, Any] = {"power_mw": 100_000}
    [counter] = cards(Cards(card))
    assert not isinstance(counter, CounterError)
    meter = EnergyMeter([counter], 1e9, lambda: clock.now)
    with meter:
        clock.now, card["power_mw"] = 10.0, 200_000
    [drawn] = meter.drawn
    assert (drawn.method, drawn.joules, drawn.estimated) == ("nvml-power", 1500.0, True)


def test_a_card_that_fails_on_the_way_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    good, bad = {"energy_mj": 0}, {"energy_mj": 0, "why": "GPU is lost"}
    meter = EnergyMeter(cards(Cards(good, bad)))
    with meter:
        good["energy_mj"], bad["energy_mj"] = 4_000, None  # type: ignore[assignment]
    assert [item.joules for item in meter.drawn] == [4.0]
    assert meter.notes == ["GPU 1 NVIDIA Pretended: NVML: GPU is lost"]


def drawn(joules: float, seconds: float = 10.0, **more: Any) -> Drawn:
    value = {"what": "package-0", "method": "rapl", "estimated": False} | more
    return Drawn(joules=joules, seconds=seconds, **value)


def test_the_sessions_of_a_resumed_run_are_added_up(tmp_path: Path) -> None:
    def keep(parts: list[Drawn], notes: list[str]) -> None:
        run_directory.keep_energy(tmp_path, run_directory.read_energy(tmp_path), parts, notes)

    keep([drawn(100.0)], [])
    keep([], ["package-0: denied"])
    keep([drawn(50.0, 5.0, estimated=True)], ["package-0: denied"])
    found = energy_of(run_directory.read_energy(tmp_path))
    assert (found.joules, found.measured_s, found.estimated) == (150.0, 15.0, True)
    assert found.notes == ("package-0: denied",)
    assert found.co2_grams is None
    assert found.summary == "150 J (0.000042 kWh) estimated by rapl"


def test_co2_is_the_named_factor_and_nothing_else() -> None:
    factor = Factor(grams_per_kwh=400.0, country="DEU", source="codecarbon 3, table, 2023")
    count = EnergyCount(parts=(drawn(3.6e6),), factor=factor)
    found = energy_of(count)
    assert found.co2_grams == 400.0
    assert "400.00 g CO2eq at 400 g/kWh (DEU, codecarbon 3, table, 2023)" in found.summary
    assert energy_of(EnergyCount(factor=factor)).co2_grams is None
    assert energy_of(found) == found


def test_the_factor_is_read_from_codecarbons_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "codecarbon" / carbon.TABLE
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"DEU": {"carbon_intensity": 380.95, "year": 2023}}))
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "codecarbon")])
    monkeypatch.setattr(carbon.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(carbon.importlib.metadata, "version", lambda name: "3.3.2")
    found = carbon.factor_of("DEU")
    assert found.grams_per_kwh == 380.95
    assert found.source == "codecarbon 3.3.2, global_energy_mix.json, 2023"
    with pytest.raises(UsageError, match="three letters, such as DEU"):
        carbon.factor_of("DE")
    monkeypatch.setattr(carbon.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"flowertune-harness\[energy\]"):
        carbon.factor_of("DEU")
