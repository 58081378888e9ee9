"""A plan can be made for a card that is not here."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.cli.prepare.plan import memory_size

CUDA = ["plan", "--plugin", "smollm2-dora", "--device", "cuda"]


def estimate(*more: str) -> dict[str, object]:
    done = CliRunner().invoke(cli, [*CUDA, "--json", *more])
    assert done.exit_code == 0, done.output
    value = json.loads(done.stdout)
    assert value["spec"]["compute"]["device"] == "cuda"
    found: dict[str, object] = value["estimate"]
    return found


def processes(found: dict[str, object]) -> int:
    return int(str(found["basis"]).rpartition(", ")[2].split()[0])


def test_without_a_card_the_forecast_is_for_one_of_16_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no nvidia-smi
    found = estimate()
    assert str(found["basis"]).startswith("a card of 16 GiB")
    assert found["memory_bytes"] == estimate("--gpu-memory", "16GiB")["memory_bytes"]


def test_a_larger_card_carries_more_clients_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.machine.machine.cores", lambda: 16)
    small, large = estimate("--gpu-memory", "8GiB"), estimate("--gpu-memory", "80 GiB")
    assert processes(small) < processes(large) == 5
    assert "a card of 80 GiB" in str(large["basis"])


@pytest.mark.parametrize(("cards", "fits"), [("8GiB", False), ("24GiB", True)])
def test_a_client_that_no_card_holds_is_told_however_many_cards_there_are(
    cards: str, fits: bool
) -> None:
    large = [*CUDA, "--set", "batch_size=64", "--gpu-memory", cards, "--gpus", "4"]
    told = CliRunner().invoke(cli, large).stdout
    value = json.loads(CliRunner().invoke(cli, [*large, "--json"]).stdout)
    assert ("MAY NOT FIT    a client is forecast to take" in told) is not fits
    assert (value["memory_doubt"] is None) is fits


@pytest.mark.parametrize("size", ["16", "sixteen", "0GiB", "-1GiB", "16TiB"])
def test_what_is_no_size_is_refused(size: str) -> None:
    done = CliRunner().invoke(cli, [*CUDA, "--gpu-memory", size])
    assert done.exit_code == 2
    assert "expected a size" in done.output


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16GiB", 2**34),
        ("16 gib", 2**34),
        ("24GB", 24 * 10**9),
        ("512MiB", 2**29),
        ("1.5G", 3 * 2**29),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, size: int) -> None:
    option = click.Option(["--gpu-memory"])
    assert memory_size(click.Context(click.Command("plan")), option, text) == size
