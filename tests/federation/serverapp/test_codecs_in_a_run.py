"""A run with a codec, through the real coordinator, client and trainer on a tiny model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from served import Served, serve
from tiny_run import TinyRun, tiny_run

from harness.codec.choice import Codec
from harness.document import sha256_file
from harness.planning.component_checks import adapter_shapes
from harness.planning.forecast import sent_bytes
from harness.plugins import load_components

WEIGHTS = "adapter/adapter_model.safetensors"


def run_with(model: Path, **codec: object) -> TinyRun:
    return tiny_run(model, supernodes=2, rounds=2, codec=Codec.model_validate(codec))


def hold_to_the_forecast(run: TinyRun, done: Served, both: bool) -> None:
    """Check the bytes of every round, and that what was encoded stands in its chain."""
    codec, parts = run.spec.train.codec, load_components(run.spec)
    shapes = adapter_shapes("codec", parts.method, run.spec.model, parts.peft_params)
    for item in done.outcome.rounds:
        assert item.bytes_down == 2 * sent_bytes(shapes, codec, "down")
        assert item.bytes_up == 2 * sent_bytes(shapes, codec, "up")
        assert all(c.encoded_sha256 and 0 <= (c.codec_loss or 0) < 1 for c in item.clients)
        assert (item.encoded_sha256 is not None, item.codec_loss is not None) == (both, both)
        other = item.with_values(encoded_sha256="0" * 64)
        assert other.chain_digest() != item.chain_digest() == item.digest


def test_bytes_are_as_forecast_and_losses_stand_in_the_chain(
    tiny_model: Path, tmp_path: Path
) -> None:
    run = run_with(tiny_model, name="int8")
    hold_to_the_forecast(run, serve(run, tmp_path / "run"), both=True)


def test_a_run_with_feedback_goes_on_as_it_would_have(tiny_model: Path, tmp_path: Path) -> None:
    run = run_with(tiny_model, name="top-k", share=0.3)
    whole = serve(run, tmp_path / "whole")
    hold_to_the_forecast(run, whole, both=False)
    serve(run, tmp_path / "half", until=1)
    shutil.copytree(tmp_path / "half", tmp_path / "forgetful")
    again = serve(run, tmp_path / "half")
    assert again.digests == whole.digests
    assert sha256_file(tmp_path / "half" / WEIGHTS) == sha256_file(tmp_path / "whole" / WEIGHTS)
    # What was left out is a part of the run: a client that lost it ends it, and does not go on.
    shutil.rmtree(tmp_path / "forgetful/clients")
    with pytest.raises(Exception, match="missing or damaged"):
        serve(run, tmp_path / "forgetful", retries=0)
