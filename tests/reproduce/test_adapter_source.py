"""An adapter that is not in the submission comes from where the submission says, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from clean_submission import about_json

from harness.errors import RecordError, SourceError, UsageError
from harness.reproduce.evaluation import find_weights

WEIGHTS = b"weights"
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


def submission(folder: Path, repository: str | None = "someone/adapter") -> Path:
    """Write what of a submission says where its adapter is."""
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter/adapter_config.json").write_text("{}")
    hub = {"repository": repository, "revision": "v1", "sha256": DIGEST, "bytes": len(WEIGHTS)}
    (folder / "about.json").write_bytes(about_json(**({"adapter": hub} if repository else {})))
    return folder


def mirror_of(folder: Path, data: bytes = WEIGHTS) -> Path:
    place = folder / "models/someone/adapter"
    place.mkdir(parents=True)
    (place / "adapter_model.safetensors").write_bytes(data)
    return folder


def test_it_is_fetched_from_the_repository_that_the_submission_names(tmp_path: Path) -> None:
    folder, mirror = submission(tmp_path / "one"), mirror_of(tmp_path / "mirror")
    found = find_weights(folder, DIGEST, None, mirror)
    assert found == (mirror / "models/someone/adapter/adapter_model.safetensors").resolve()


def test_what_lies_in_the_folder_comes_first_and_what_is_named_before_that(tmp_path: Path) -> None:
    folder, mirror = submission(tmp_path / "one"), mirror_of(tmp_path / "mirror")
    (folder / "adapter/adapter_model.safetensors").write_bytes(WEIGHTS)
    assert find_weights(folder, DIGEST, None, mirror).is_relative_to(folder)
    with pytest.raises(UsageError, match="--adapter"):
        find_weights(folder, DIGEST, tmp_path / "elsewhere", mirror)


def test_other_weights_than_the_record_s_are_refused(tmp_path: Path) -> None:
    folder, mirror = submission(tmp_path / "one"), mirror_of(tmp_path / "mirror", b"others")
    with pytest.raises(RecordError, match=f"the record's adapter has {DIGEST[:12]}"):
        find_weights(folder, DIGEST, None, mirror)


def test_without_a_repository_or_without_the_hub_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=f"sha256 {DIGEST[:12]}.*--adapter"):
        find_weights(submission(tmp_path / "none", None), DIGEST, None, tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SourceError, match=r"someone/adapter is in none of the sources"):
        find_weights(submission(tmp_path / "one"), DIGEST, None, tmp_path)
    folder = submission(tmp_path / "bad")
    (folder / "about.json").write_bytes(about_json(adapter={"repository": "../../etc"}))
    with pytest.raises(RecordError, match="not a About"):
        find_weights(folder, DIGEST, None, tmp_path)
