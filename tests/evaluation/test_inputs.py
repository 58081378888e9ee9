"""A file that is not the run's is refused by name before anything is evaluated."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_run import TinyRun, tiny_run

from harness.document import sha256_file
from harness.errors import EvaluationError
from harness.evaluation.inputs import refuse_other_inputs
from harness.record.data import DataRecord

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def run(model_dir: Path, tmp_path: Path) -> TinyRun:
    """A run whose model, training file and evaluation files lie in a folder of this test."""
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    found = tiny_run(folder)
    challenge = found.challenge
    files = [tmp_path / "train" / "all.parquet"]
    records = [record("training", challenge.dataset.name, files[0], "train/all.parquet")]
    evaluation = {}
    for item in challenge.evaluation:
        path = tmp_path / item.task / "rows.csv"
        records.append(record("evaluation", challenge.record_name(item), path, "rows.csv"))
        evaluation[item.task] = (str(path),)
    assets = found.assets.with_values(
        training_file=str(files[0]),
        evaluation_files=evaluation,
        data=(*found.assets.data, *records),
    )
    return replace(found, assets=assets)


def record(kind: str, name: str, path: Path, short: str) -> DataRecord:
    """Write a file and return its record."""
    path.parent.mkdir()
    path.write_text(name)
    digest = sha256_file(path)
    return DataRecord.model_validate(
        {"kind": kind, "name": name, "source": "mirror", "revision": "local", "sha256": digest,
         "files": {short: digest}}
    )  # fmt: skip


def check(run: TinyRun, adapter: Path | None = None, digest: str | None = None) -> None:
    refuse_other_inputs(run.spec, run.challenge, run.assets, adapter, digest)


@pytest.mark.parametrize("place", ["model/config.json", "train/all.parquet", "fpb/rows.csv"])
def test_a_file_that_changed_is_named(place: str, run: TinyRun, tmp_path: Path) -> None:
    check(run)
    with (tmp_path / place).open("a") as file:
        file.write(" ")
    with pytest.raises(EvaluationError, match=rf"{place}: sha256 \w+, when the run was made sha"):
        check(run)
    (tmp_path / place).unlink()
    with pytest.raises(EvaluationError, match=rf"{place}: no such file, when the run was made sha"):
        check(run)


def test_a_file_of_the_model_that_came_later_is_named(run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / "model" / "notes.md").write_text("nothing loads this")
    (tmp_path / "model" / "modeling_x.py").write_text("nor this, where no code is allowed")
    check(run)
    coded = replace(run, spec=run.spec.with_values(
        model=run.spec.model.model_dump() | {"trust_remote_code": True}))  # fmt: skip
    with pytest.raises(EvaluationError, match=r"modeling_x\.py: sha256 \w+, .* no such file"):
        check(coded)
    (tmp_path / "model" / "chat_template.jinja").write_text("x")
    with pytest.raises(EvaluationError, match=r"chat_template\.jinja"):
        check(run)


def test_other_weights_than_the_run_made_are_named(run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"ours")
    digest = sha256_file(tmp_path / WEIGHTS)
    check(run, tmp_path, digest)
    check(run, tmp_path, None)
    (tmp_path / WEIGHTS).write_bytes(b"others")
    with pytest.raises(EvaluationError, match=rf"{WEIGHTS}: sha256 \w+, when the run was made"):
        check(run, tmp_path, digest)
