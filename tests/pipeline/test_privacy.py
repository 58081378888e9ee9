"""Epsilon of a private run: Flower's accountant, the noise that counts, and words without it."""

from __future__ import annotations

import sys
from math import sqrt

import pytest

from harness.pipeline.privacy import in_words, privacy_of
from harness.planning.resolve import Request, resolve
from harness.record.federation import effective_multiplier
from harness.spec import RunSpec

LORA = ("peft=standard/lora", "rounds=4")


def spec_of(strategy: str, *more: str) -> RunSpec:
    asked = (*LORA, f"strategy=standard/{strategy}", *more)
    return resolve(Request(plugin="smollm2-dora/135m", overrides=asked)).spec


def test_the_heaviest_client_decides_the_noise_that_counts() -> None:
    assert effective_multiplier(1.5, [2, 1, 1]) == 1.0
    assert effective_multiplier(1.5, [7, 7, 7]) == pytest.approx(1.5)


def test_epsilon_is_that_of_gaussian_releases() -> None:
    """Without amplification T releases of noise z are one of noise z / sqrt(T)."""
    pytest.importorskip("dp_accounting", reason="needs the extra [privacy]")
    spec = spec_of("dp-server-side", "strategy.noise_multiplier=2.0")
    four = privacy_of(spec, [[5, 5]] * 4, 50)
    one = privacy_of(spec_of("dp-client-side", "strategy.noise_multiplier=1.0"), [[5, 5]], 50)
    assert four is not None
    assert one is not None
    assert four.epsilon == pytest.approx(one.epsilon, rel=1e-6)
    assert (four.releases, four.noise_multiplier, four.delta) == (4, 2.0, 1e-5)
    # Of Renyi order a the divergence is a / (2 z^2); this conversion is never the tighter one.
    assert four.epsilon is not None
    assert four.epsilon <= 1 / 2 + sqrt(2 * 11.513)
    lopsided = privacy_of(spec, [[9, 1]] * 4, 50)
    assert lopsided is not None
    assert lopsided.epsilon is not None
    assert lopsided.epsilon > four.epsilon


def test_without_noise_or_accountant_none_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert privacy_of(spec_of("fedavg"), [[1]], 50) is None
    still = privacy_of(spec_of("dp-server-side", "strategy.noise_multiplier=0.0"), [[1]], 50)
    assert still is not None
    assert (still.epsilon, still.note) == (None, "no noise is added: nothing is promised")
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    lacking = privacy_of(spec_of("dp-server-side"), [[1, 1]], 50)
    assert lacking is not None
    assert lacking.epsilon is None
    assert "epsilon not computed" in in_words(lacking)
    assert "flowertune-harness[privacy]" in in_words(lacking)
