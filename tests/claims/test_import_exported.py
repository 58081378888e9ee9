"""An app of `harness export` comes back by `harness import` as the run that it was made of."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.boards.challenge import challenge_names
from harness.claims.exported_app import MAX_SPEC_BYTES
from harness.cli import cli
from harness.document import digest_of
from harness.federation.superlink.app_directory import write_app
from harness.planning.recipe_files import read_recipe
from harness.planning.resolve import Request, Resolved, resolve

RECIPES = {
    "finance": "smollm2-dora/135m", "general-nlp": "smollm2-dora/general-nlp-135m",
    "medical": "smollm2-dora/medical-135m", "code": "smollm2-dora/code-135m",
}  # fmt: skip
SETTINGS = (
    "peft=standard/vera", "strategy=standard/fedadam", "strategy.eta=0.02", "target_modules=q_proj",
    "codec=float16", "learning_rate_max=0.01",
)  # fmt: skip


def exported(folder: Path, request: Request) -> Resolved:
    found = resolve(request)
    write_app(folder, found.spec, found.challenge)
    return found


def imported(project: Path) -> str:
    out = project.with_name(f"{project.stem}-out.toml")
    done = CliRunner().invoke(cli, ["import", str(project), "--recipe", str(out)])
    assert done.exit_code == 0, done.output
    return str(out)


def planned(file: str, **asked: object) -> Resolved:
    return resolve(Request(file, recipe=read_recipe(Path(file)), **asked))  # type: ignore[arg-type]


def test_every_board_has_a_recipe_here() -> None:
    assert RECIPES.keys() == set(challenge_names())


@pytest.mark.parametrize("board", RECIPES)
def test_planned_again_it_differs_in_where_it_came_from_alone(board: str, tmp_path: Path) -> None:
    before = exported(tmp_path / "app", Request(RECIPES[board], device="cpu", threads=2, seed=5))
    file = imported(tmp_path / "app")
    after = planned(file, device="cpu", threads=2, seed=5)
    changed = {"plugin": "file", "plugins": after.spec.plugins}
    assert after.spec == before.spec.with_values(**changed)
    assert {item.name for item in after.spec.plugins} == {"standard"}
    assert after.violations == before.violations
    text = Path(file).read_text()
    assert f"of the spec {digest_of(before.spec)[:16]}" in text
    assert f"where it came from alone, file/{before.spec.recipe} for {RECIPES[board]}" in text
    assert f"planned with --seed 5 --device cpu --threads {after.spec.compute.threads}" in text


@pytest.mark.parametrize("smoke", [False, True])
def test_a_recipe_s_file_comes_back_with_the_same_digest_packed_too(
    smoke: bool, tmp_path: Path
) -> None:
    request = Request(
        "smollm2-dora/135m", overrides=SETTINGS, device="cpu", threads=1, smoke=smoke,
        evaluation_rows=9,
    )  # fmt: skip
    exported(tmp_path / "first", request)
    file = imported(tmp_path / "first")
    again = {"device": "cpu", "threads": 1, "smoke": smoke, "evaluation_rows": 9}
    before = planned(file, **again)
    assert before.spec.peft.name == "standard/vera"
    assert before.spec.strategy.params["eta"] == 0.02
    write_app(tmp_path / "second", before.spec, before.challenge)
    bundle = tmp_path / "packed.fab"
    with zipfile.ZipFile(bundle, "w") as packed:
        for path in sorted((tmp_path / "second").rglob("*.*")):
            packed.write(path, path.relative_to(tmp_path / "second"))
    after = planned(imported(bundle), **again)
    assert digest_of(after.spec) == digest_of(before.spec)
    text = Path(tmp_path / "packed-out.toml").read_text()
    assert "it has the same digest" in text
    assert ("--limit 9 --smoke it has" in text) == smoke


def test_a_run_s_own_folder_gives_its_recipe_too(tmp_path: Path) -> None:
    spec = exported(tmp_path / "app", Request("smollm2-dora/135m", device="cpu", threads=1)).spec
    run = tmp_path / "run"
    run.mkdir()
    (run / "spec.json").write_text(spec.canonical_json())
    (run / "README.md").write_text("- strategy: `standard/fedavg`, 5 rounds\n")
    said = CliRunner().invoke(cli, ["import", str(run)]).output
    assert "(finance): 0 contradicts" in said
    after = planned(imported(run), device="cpu", threads=1)
    assert after.spec == spec.with_values(plugin="file", plugins=after.spec.plugins)


def test_a_config_that_was_changed_afterwards_contradicts_the_spec(tmp_path: Path) -> None:
    exported(tmp_path / "app", Request("smollm2-dora/135m", device="cpu", threads=1))
    path = tmp_path / "app" / "pyproject.toml"
    path.write_text(path.read_text().replace("num-server-rounds = 5", "num-server-rounds = 7"))
    done = CliRunner().invoke(cli, ["import", str(tmp_path / "app")])
    assert "pyproject.toml: 7; expected flowertune_app/spec.json: 5" in done.output
    text = Path(imported(tmp_path / "app")).read_text()
    assert "# found in two versions: flowertune_app/spec.json: 5; pyproject.toml: 7" in text
    assert "\nrounds = 5\n" in text


def test_a_spec_that_is_none_or_too_large_is_named_and_not_followed(tmp_path: Path) -> None:
    exported(tmp_path / "app", Request("smollm2-dora/135m", device="cpu", threads=1))
    path = tmp_path / "app" / "flowertune_app" / "spec.json"
    good = json.loads(path.read_text())

    def said() -> str:
        done = CliRunner().invoke(cli, ["import", str(tmp_path / "app")])
        assert done.exit_code == 0, done.output
        return done.output

    whole = path.read_text()
    path.write_text(whole.ljust(MAX_SPEC_BYTES))
    assert "spec.json" not in said()
    path.write_text(whole.ljust(MAX_SPEC_BYTES + 1))
    assert "spec.json: " in said()
    for change in ({"seed": "5"}, {"challenge": {**good["challenge"], "id": "chess"}}):
        path.write_text(json.dumps(good | change))
        assert "flowertune_app/spec.json: " in said()
