"""The adapter of a warm start is the one that the recipe names, and of the run's base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.document import sha256_file
from harness.errors import SourceError
from harness.planning.smoke import SMOKE_MODEL
from harness.recipe import WarmStart
from harness.sources.adapters import locate_warm_start


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Return the folder of an adapter in a mirror."""
    folder = tmp_path / "models" / "me" / "first"
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    config = {"base_model_name_or_path": SMOKE_MODEL.hub_id}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def located(mirror: Path, sha256: str):
    return locate_warm_start(WarmStart(adapter="me/first", sha256=sha256), SMOKE_MODEL, mirror)


def test_its_digest_and_bytes_are_on_the_record(first: Path, tmp_path: Path) -> None:
    digest = sha256_file(first / "adapter_model.safetensors")
    path, record = located(tmp_path, digest)
    assert path == first / "adapter_model.safetensors"
    assert (record.kind, record.sha256, record.bytes) == ("adapter", digest, 7)


def test_other_weights_and_an_adapter_of_another_base_are_refused(
    first: Path, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="the recipe's warm start names 000000"):
        located(tmp_path, "0" * 64)
    other = {"base_model_name_or_path": "me/other"}
    (first / "adapter_config.json").write_text(json.dumps(other))
    with pytest.raises(SourceError, match="is an adapter of me/other, the run's base is Hugging"):
        located(tmp_path, sha256_file(first / "adapter_model.safetensors"))
