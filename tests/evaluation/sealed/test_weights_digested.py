"""`harness evaluate` has the weights digested that the run names, before anything is checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.execute.evaluate import _weights


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"model_dir": 7}', '{"model_dir": "/nowhere"}', "[" * 9999, None]
)
def test_a_run_that_names_no_model_gives_nothing_to_read(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "assets.json").write_text(text)
    assert _weights(tmp_path) == []


def test_the_weights_of_a_run_are_read(tmp_path: Path) -> None:
    (tmp_path / "assets.json").write_text(json.dumps({"model_dir": str(tmp_path)}))
    for name in ("model-2.safetensors", "model-1.safetensors", "config.json"):
        (tmp_path / name).write_text("")
    assert [path.name for path in _weights(tmp_path)] == [
        "model-1.safetensors", "model-2.safetensors",
    ]  # fmt: skip
