"""`harness plan` says what `harness run` would refuse here, each reason in one line."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from math import prod
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.components.model_config import config_of_spec
from harness.document.units import MIB
from harness.errors import SourceError
from harness.planning import devices
from harness.planning.smoke import SMOKE_MODEL

SMOKE = ("plan", "--plugin", "smollm2-dora", "--smoke")
HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"


def refused(*more: str) -> list[str]:
    """Return the reasons of a plan whose rules are all kept, which text and JSON agree on."""
    told = CliRunner().invoke(cli, [*SMOKE, *more])
    value = json.loads(CliRunner().invoke(cli, [*SMOKE, *more, "--json"]).stdout)
    assert (told.exit_code, value["violations"]) == (0, [])
    lines = [line for line in told.stdout.splitlines() if line.startswith("REFUSED")]
    found: list[str] = value["refused_here"]
    assert len(lines) == len(found)
    assert all(line.endswith(reason) for line, reason in zip(lines, found, strict=True))
    return found


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_MIRROR", raising=False)


def test_what_runs_is_not_refused_and_nothing_is_written(tmp_path: Path) -> None:
    assert refused() == []
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_s_model_that_is_incomplete(tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "models" / HUB_ID
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    [found] = refused("--mirror", str(tmp_path / "mirror"))
    assert "model.safetensors" in found
    assert "tokenizer.json" in found


def whole_model(folder: Path) -> Path:
    """Write the smoke run's model, its weights zeros that take no room; return their file."""
    folder.mkdir(parents=True)
    for name in ("tokenizer_config.json", "vocab.txt"):
        (folder / name).write_text("{}")
    (folder / "config.json").write_text(json.dumps(config_of_spec(SMOKE_MODEL)))
    shapes = {"model.embed_tokens": [SMOKE_MODEL.vocab, SMOKE_MODEL.hidden]}
    shapes |= {item.name: [item.out_features, item.in_features] for item in SMOKE_MODEL.linears()}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * prod(shape)
        header[f"{name}.weight"] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    weights = folder / "model.safetensors"
    with weights.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return weights


def test_a_chat_template_that_is_not_there(tmp_path: Path) -> None:
    whole_model(tmp_path / "mirror" / "models" / HUB_ID)
    mirror = ("--mirror", str(tmp_path / "mirror"))
    assert refused(*mirror) == []
    [found] = refused(*mirror, "--set", "prompt.style=chat")
    assert "has no chat template" in found


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="no pyarrow to read it with")
@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [
        (("instruction", "input", "output"), 49, "49 rows; expected at least one for each of 50"),
        (("instruction", "output"), 60, "no column input"),
        (None, 0, "cannot be read as parquet"),
        (("instruction", "input", "output"), 60, ""),
    ],
)
def test_a_mirror_s_training_file_that_no_run_could_use(
    columns: tuple[str, ...] | None, rows: int, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "mirror/datasets/flwrlabs/fingpt-sentiment-train/train.parquet"
    file.parent.mkdir(parents=True)
    if columns is None:
        file.write_text("no table")
    else:
        from pyarrow import parquet, table

        parquet.write_table(table({name: ["x"] * rows for name in columns}), file)
    plan = ["plan", "--plugin", "smollm2-dora/135m", "--mirror", str(tmp_path / "mirror")]
    told = [line for line in CliRunner().invoke(cli, plan).stdout.splitlines() if str(file) in line]
    assert len(told) == bool(said)
    assert all(line.startswith("REFUSED") and said in line for line in told)


def test_a_mirror_s_model_whose_weights_are_cut_or_another_s(tmp_path: Path) -> None:
    weights = whole_model(tmp_path / "mirror" / "models" / HUB_ID)
    mirror = ("--mirror", str(tmp_path / "mirror"))
    config = weights.with_name("config.json")
    config.write_text(json.dumps(config_of_spec(SMOKE_MODEL) | {"num_hidden_layers": 31}))
    [found] = refused(*mirror)
    assert "has layers 31, the ModelSpec says 30" in found
    os.truncate(weights, weights.stat().st_size - 1)
    [found] = refused(*mirror)
    assert "bytes of data, its header describes" in found
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    [found] = refused(*mirror)
    assert "`git lfs pull` fetches the file" in found


def test_a_mirror_that_is_not_there(tmp_path: Path) -> None:
    [found] = refused("--mirror", str(tmp_path / "nope"))
    assert "no such folder" in found


def test_a_disk_or_a_memory_that_holds_no_such_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3 * MIB))
    [found] = refused()
    assert "3.0 MiB free" in found
    monkeypatch.setattr(devices, "HOPELESS", 0)
    memory, disk = refused()
    assert "GiB of memory" in memory
    assert disk == found


def test_a_large_model_on_a_cpu_that_nobody_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no nvidia-smi
    monkeypatch.setattr(devices, "GPU_PARAMETERS", 1)
    [found] = refused()
    assert "no CUDA GPU was found" in found
    assert refused("--device", "cpu") == []


def test_a_model_that_was_found_and_is_none_says_nothing_of_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "mirror" / "models" / "org" / "moe"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"text_config": {}}')

    def said(command: str, model: str) -> str:
        options = ("--mirror", str(tmp_path / "mirror"), "--set", f"model={model}")
        done = CliRunner().invoke(cli, [command, *SMOKE[1:], *options])
        assert isinstance(done.exception, SourceError)
        return str(done.exception)

    for command in ("plan", "run") if find_spec("torch") else ("plan",):
        assert "nor is a plugin" not in said(command, "org/moe")
        assert "nor is a plugin 'smollm2' installed, did you mean" in said(command, "smollm2/x")


def test_a_model_that_answers_slowly_is_said_to_and_why() -> None:
    """Else an evaluation that takes ten times as long looks as if it hung."""
    plain = CliRunner().invoke(cli, ["plan", "--plugin", "smollm2-dora"])
    own = CliRunner().invoke(
        cli, ["plan", "--plugin", "smollm2-dora", "--set", "model.trust_remote_code=true"]
    )
    assert "slow answers" not in plain.stdout
    assert "slow answers   its attention is its own, so each row is computed whole" in own.stdout
