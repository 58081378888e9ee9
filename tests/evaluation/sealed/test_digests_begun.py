"""A digest that a thread took is that of the file, and answers one question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.execute.evaluate import _weights
from harness.document import file_digests, sha256_file
from harness.evaluation.sealed.start import _digest


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 5000])
def test_it_is_the_files_own_and_is_taken_anew_the_second_time(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    expected = sha256_file(path)
    file_digests.begun[str(path)] = _digest(str(path))
    assert file_digests.begun[str(path)].result() == expected
    path.write_bytes(content + b"more")
    assert sha256_file(path) == expected
    assert sha256_file(path) != expected
    assert str(path) not in file_digests.begun


def test_a_file_that_cannot_be_read_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "gone.safetensors"
    file_digests.begun[str(path)] = _digest(str(path))
    with pytest.raises(FileNotFoundError):
        sha256_file(path)


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
