"""A published project becomes a recipe: its values, and a comment where it does not say."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from plain_project import CODE, config, project

from harness.claims.as_recipe import recipe_of_claim
from harness.claims.importing import packed_app
from harness.claims.importing.claim import import_project
from harness.claims.importing.packed_app import unpacked
from harness.cli import cli
from harness.document.toml_text import write_toml
from harness.errors import RecordError
from harness.planning.recipe_files import read_recipe
from harness.planning.resolve import Request, resolve

MORE = """
model.quantization = 4
model.lora.peft-use-dora = true
model.lora.peft-lora-target-modules = "down_proj,up_proj,gate_proj"
train.learning-rate-max = 2e-4
train.learning-rate-min = 6e-6
train.training-arguments.per-device-train-batch-size = 16
train.training-arguments.max-steps = 8
"""
FINANCE = {
    "pyproject.toml": config(
        "finance", "HuggingFaceTB/SmolLM2-360M-Instruct", 16, 64, 18, MORE
    ),
    "README.md": "# Ours\n\n- **Rank (r)**: `32`\n\n**Communication Budget: 3852.42 MB**\n",
    "app/strategy.py": "class FlowerTuneLlm(FedProx):\n    pass\n",
    "app/models.py": CODE.format(arguments="use_dora=cfg.dora, lora_dropout=0.1"),
}  # fmt: skip


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    project(tmp_path / "a project", FINANCE)
    done = CliRunner().invoke(
        cli, ["import", str(tmp_path / "a project"), "--recipe", str(tmp_path / "out.toml")]
    )
    assert done.exit_code == 0, done.output
    return tmp_path / "out.toml"


def test_a_project_s_recipe_forecasts_its_published_communication(recipe: Path) -> None:
    resolved = resolve(Request(str(recipe), recipe=read_recipe(recipe), device="cpu"))
    assert resolved.forecast.communication.total_mib_legacy == pytest.approx(3852.42, abs=0.005)
    assert resolved.spec.peft.name == "standard/dora"
    assert resolved.spec.peft.params["dropout"] == 0.1
    assert resolved.spec.strategy.name == "standard/fedprox"
    assert resolved.spec.train.max_steps == 8
    assert resolved.violations == ()


def test_every_value_that_is_not_certain_has_a_comment(recipe: Path) -> None:
    lines = recipe.read_text().splitlines()
    above = {line: lines[number] for number, line in enumerate(lines[1:])}
    assert above["r = 16"] == "# found in two versions: pyproject.toml: 16; README.md: 32"
    assert above['name = "standard/fedprox"'].startswith("# its parameters were not read")
    assert "# not stated; the template's is adamw_torch" in lines
    assert not above["alpha = 64"].startswith("#")


def test_a_model_that_is_not_known_is_left_to_its_config(tmp_path: Path) -> None:
    files = {"pyproject.toml": config(model="someone/new-model-3b")}
    claim = import_project(project(tmp_path, files))
    tree, comments = recipe_of_claim(claim)
    assert tree["model"] == "someone/new-model-3b"
    assert "config.json is asked" in comments["model"]
    assert tomllib.loads(write_toml(tree, comments)) == tree


def test_layers_that_the_model_lacks_are_left_out_and_named(tmp_path: Path) -> None:
    more = 'model.lora.peft-lora-target-modules = ["qkv_proj", "down_proj"]'
    files = {"pyproject.toml": config(model="Qwen/Qwen2.5-0.5B", more=more)}
    tree, comments = recipe_of_claim(import_project(project(tmp_path, files)))
    assert tree["peft"]["params"]["target_modules"] == ["down_proj"]
    assert "qkv_proj" in comments["peft.params.target_modules"]


def pack(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)
    return path


def test_a_packed_app_is_read_as_its_folder_is(tmp_path: Path) -> None:
    fab = pack(tmp_path / "some.app.1-0-0.fab", {**FINANCE, ".info/CONTENT": "x"})
    out = tmp_path / "out.toml"
    done = CliRunner().invoke(cli, ["import", str(fab), "--recipe", str(out)])
    assert done.exit_code == 0, done.output
    folder = project(tmp_path / "some.app.1-0-0", FINANCE)
    tree, comments = recipe_of_claim(import_project(folder))
    assert tomllib.loads(out.read_text()) == tree
    assert comments


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([("../outside", b"x")], "outside"),
        ([("/etc/outside", b"x")], "outside"),
        ([("a\\b", b"x")], "outside"),
        ([(link(), b"/etc/passwd")], "is a link"),
        ([("twice", b"1"), ("twice", b"2")], "stands twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_a_builder_would_not_write_is_refused(
    entries: list[tuple[str | zipfile.ZipInfo, bytes]], said: str, tmp_path: Path
) -> None:
    fab = tmp_path / "app.fab"
    with zipfile.ZipFile(fab, "w") as bundle:
        for name, data in entries:
            bundle.writestr(name, data)
    with pytest.raises(RecordError, match=said), unpacked(fab):
        pass
    assert sorted(item.name for item in tmp_path.iterdir()) == ["app.fab"]


def test_a_file_that_is_no_zip_says_so(tmp_path: Path) -> None:
    (tmp_path / "app.fab").write_bytes(b"no zip")
    with (
        pytest.raises(RecordError, match="expected what flwr build writes"),
        unpacked(tmp_path / "app.fab"),
    ):
        pass


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_a_bundle_is_unpacked_up_to_its_limit(
    more: int, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit counts what comes out, whatever the zip says of itself."""
    monkeypatch.setattr(packed_app, "MAX_BUNDLE_BYTES", 1000)
    fab = pack(tmp_path / "app.fab", {"a": b"0" * 400, "b": b"0" * (600 + more)})
    if refused:
        with pytest.raises(RecordError, match="too large"), unpacked(fab):
            pass
    else:
        with unpacked(fab) as folder:
            assert (folder / "b").stat().st_size == 600
