"""A recipe is data: it can stand in a file, needs no package, and means what a plugin's means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.document.toml_text import MAX_TOML_BYTES
from harness.errors import UsageError
from harness.planning.recipe_files import read_recipe
from harness.planning.resolve import Request, resolve

RECIPE = """
challenge = "finance"
model = "smollm2-dora/smollm2-135m-instruct"
[peft]
name = "standard/lora"
params = { r = 4, alpha = 8 }
[strategy]
name = "standard/fedavg"
[train]
rounds = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "My first recipe.toml"
    path.write_text(RECIPE)
    return path


def test_a_file_is_a_recipe_named_after_itself(file: Path) -> None:
    recipe = read_recipe(file)
    assert (recipe.name, recipe.title) == ("my-first-recipe", "my-first-recipe")
    resolved = resolve(Request(str(file), recipe=recipe, device="cpu"))
    assert resolved.spec.label == "file/my-first-recipe"
    assert resolved.spec.train.rounds == 3
    assert [ref.name for ref in resolved.spec.plugins] == ["smollm2-dora", "standard"]
    assert resolved.violations == ()


def test_a_section_of_a_pyproject_is_a_recipe(file: Path, tmp_path: Path) -> None:
    section = RECIPE.replace("[", "[tool.harness.").replace(
        "challenge", "[tool.harness]\nchallenge", 1
    )
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'x'\n{section}")
    assert read_recipe(tmp_path / "pyproject.toml").train == read_recipe(file).train
    # The project's folder alone will do on the command line.
    done = CliRunner().invoke(cli, ["plan", str(tmp_path), "--device", "cpu"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", ["135m", "1.7b", "360m", "medical-135m", "general-nlp-1.7b"])
def test_a_plugin_s_recipe_as_a_file_is_the_same_run(name: str, tmp_path: Path) -> None:
    """All but who proposed it: the model needs no package, the components still do."""
    runner = CliRunner()
    text = runner.invoke(cli, ["plugins", f"smollm2-dora/{name}", "--toml"])
    assert text.exit_code == 0, text.output
    path = tmp_path / "copy.toml"
    path.write_text(text.stdout)
    ours = resolve(Request(f"smollm2-dora/{name}", device="cpu"))
    copy = resolve(Request(str(path), recipe=read_recipe(path), device="cpu"))
    same = {"plugin": "", "plugins": ()}
    assert copy.spec.with_values(**same) == ours.spec.with_values(**same)
    assert copy.forecast == ours.forecast
    assert [ref.name for ref in copy.spec.plugins] == ["standard"]


def test_the_command_on_record_names_the_file(file: Path) -> None:
    request = Request(str(file), recipe=read_recipe(file), device="cpu", overrides=("rounds=2",))
    words = request.command(resolve(request).spec)
    assert words[:5] == ("harness", "run", "My first recipe.toml", "--set", "rounds=2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RECIPE.replace("standard/lora", "lora"), "as in standard/lora"),
        (RECIPE.replace("smollm2-dora/smollm2", "smollm2"), "organisation/model of the hub"),
        (RECIPE.replace("rounds = 3", "rounds = 0"), "rounds"),
        (RECIPE.replace("rounds = 3", "rounds = '3'"), "rounds"),
        (RECIPE.replace("rounds = 3", "rounds = 2026-01-01"), "of type date"),
        (RECIPE.replace("rounds = 3", "ruonds = 3"), "ruonds"),
        (RECIPE + "learning_rate_max = nan", "no finite number"),
        ("[peft", "not TOML"),
        ("", "model"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_the_file_s_name(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"wrong\.toml: ") as caught:
        read_recipe(path)
    assert said in str(caught.value)


def test_a_pyproject_without_the_section_says_so(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(UsageError, match=r"no section \[tool\.harness\]"):
        read_recipe(tmp_path / "pyproject.toml")


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_a_recipe_has_a_mib_at_most(more: int, refused: bool, tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_text(RECIPE + "#" * (MAX_TOML_BYTES - len(RECIPE) + more))
    if refused:
        with pytest.raises(UsageError, match=r"large\.toml"):
            read_recipe(path)
    else:
        assert read_recipe(path).train.rounds == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan"], "missing --plugin"),
        (["plan", "smollm2-dora"], "a plugin is named by --plugin"),
        (["plan", "none.toml"], "none.toml"),
        (["plan", "r.toml", "--plugin", "smollm2-dora"], "exclude each other"),
        (["plugins", "--toml"], "harness plugins P/R --toml"),
    ],
)
def test_a_recipe_that_is_not_named_in_one_way_is_refused(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        (tmp_path / "r.toml").write_text(RECIPE)
        done = CliRunner().invoke(cli, arguments)
        assert said in str(done.exception) + done.output
    assert os.listdir(tmp_path) == ["r.toml"]


def test_a_short_name_is_told_by_its_whole_one(file: Path) -> None:
    done = CliRunner().invoke(cli, ["plan", str(file), "--device", "cpu", "--set", "r=2"])
    assert "--set r is taken for peft.r" in done.stderr
    assert "r=2" in done.stdout


def test_a_list_may_be_typed_without_brackets_and_quotes(file: Path) -> None:
    for typed in ("q_proj,v_proj", "[q_proj, v_proj]", '["q_proj", "v_proj"]'):
        request = Request(
            str(file), recipe=read_recipe(file), device="cpu",
            overrides=(f"peft.target_modules={typed}",),
        )  # fmt: skip
        assert resolve(request).spec.peft.params["target_modules"] == ["q_proj", "v_proj"]
