"""What a plugin's author gets wrong is said in one line, with the author's own file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.new_plugin import write_plugin
from harness.planning.resolve import Request, resolve
from harness.plugins import loading, places

PEFT_METHOD = """
from harness.components import PeftMethod, select_linears
from harness.document import Document


class NarrowParams(Document):
    r: int = 4


def configure(model, params):
    from peft import LoraConfig

    return LoraConfig(r=params.r, target_modules=["q_proj"], task_type="CAUSAL_LM")


def shapes(model, params):
    found = {}
    for layer in select_linears(model, ("q_proj",)):
        stem = "base_model.model." + layer.name
        found[stem + ".lora_A.weight"] = (params.r, layer.in_features)
        found[stem + ".lora_B.weight"] = (layer.out_features, params.r)
    return found


NARROW = PeftMethod(name="narrow", params=NarrowParams, configure=configure, shapes=shapes)
"""
HOOK = """

@hookimpl
def harness_peft_methods():
    from {module}.peft_method import NARROW

    return [NARROW]
"""
OWN = ('"standard/lora"', '"narrow"')
TARGETS = ('"r": 8, "alpha": 16, "target_modules": ["q_proj", "v_proj"]', "")
LAST = "learning_rate_max=2e-4"

Edit = tuple[str, str, str]

MISTAKES: dict[str, tuple[Edit, str, str]] = {
    # name: (file, right, wrong), where the line must be found, words of the message
    "hook misspelt": (
        ("__init__.py", "def harness_strategies", "def harness_strategys"),
        "@hookimpl\ndef harness_strategys", 'did you mean "harness_strategies"?',
    ),
    "hook unmarked": (
        ("__init__.py", "@hookimpl\ndef harness_recipes", "def harness_recipes"),
        "def harness_recipes", "has no @harness.hookimpl",
    ),
    "heads that do not divide": (
        ("recipe.py", "heads=9", "heads=7"), "MODEL = ModelSpec(", "hidden is a multiple of heads",
    ),
    "field that does not exist": (
        ("recipe.py", "layers=30,", "layers=30,\n    n_layers=30,"),
        "    n_layers=30", 'n_layers: no such field (found \'30\'), did you mean "layers"?',
    ),
    "architecture unknown": (
        ("recipe.py", "layers=30,", 'layers=30,\n    architecture="lama",'),
        '    architecture="lama"', "architecture: 'lama' is no family that is known",
    ),
    "KeyError in shapes": (
        ("peft_method.py", "    found = {}", '    found = {}\n    width = found["q_proj"]'),
        "    width = found", "shapes() raised KeyError: 'q_proj'",
    ),
    "syntax error": (
        ("strategy.py", "return Damped(params.eta)", "return Damped(params.eta"),
        "    return Damped(", "SyntaxError: '(' was never closed",
    ),
    "wrong parameter name": (
        ("recipe.py", '"eta"', '"etta"'), "    strategy=Choice", 'did you mean "eta"?',
    ),
    "rank 4.5": (
        ("recipe.py", '"r": 8', '"r": 4.5'), '        params={"r"', "r: expected a whole number",
    ),
    "strategy misspelt": (
        ("recipe.py", 'name="damped"', 'name="dampened"'),
        "    strategy=Choice", 'no strategy \'dampened\'; did you mean "damped"?',
    ),
    "a spec instead of a list": (
        ("__init__.py", "return [MODEL]", "return MODEL"),
        "@hookimpl\ndef harness_models", "returned ModelSpec; expected a list of ModelSpec",
    ),
    "marker not in the template": (
        ("recipe.py", LAST, f'{LAST},\n        prompt={{"response_marker": "### Answer:"}}'),
        '        prompt={"response', "occurs 0 times in prompt.template",
    ),
    # Not of the list that these sixteen come from, but of its kind.
    "name that cannot be imported": (
        ("__init__.py", "import DAMPED", "import DAMPD"),
        "from harness_my_entry.strategy", "cannot import name 'DAMPD'",
    ),
    "package that is not installed": (
        ("strategy.py", "from typing import", "import numpi\nfrom typing import"),
        "import numpi", "No module named 'numpi'",
    ),
    "indentation": (
        ("__init__.py", "    return [MODEL]", "    return [MODEL]\n      x"),
        "      x", "IndentationError",
    ),
    "field left out": (
        ("recipe.py", "    vocab=49152,\n", ""), "MODEL = ModelSpec(", "vocab: missing",
    ),
    "text for a number": (
        ("recipe.py", "rounds=10", 'rounds="ten"'), "    train=TrainSpec", "rounds: expected a wh",
    ),
    "optimizer unknown": (
        ("recipe.py", LAST, f'{LAST}, optimizer="adam"'),
        "    train=TrainSpec", "optimizer: expected 'adamw_torch'",
    ),
    "parameter out of its range": (
        ("recipe.py", '"eta": 0.8', '"eta": 2.0'), "    strategy=Choice", "less than or equal to 1",
    ),
    "method misspelt": (
        ("recipe.py", "standard/lora", "standard/lorra"),
        '        name="standard', 'did you mean "lora"?',
    ),
    "target misspelt": (
        ("recipe.py", '"v_proj"', '"value_proj"'), "        params=", "layers: down_proj, gate",
    ),
    "model misspelt": (
        ("recipe.py", "model=MODEL.name", 'model="smollm2-153m-instruct"'),
        '    model="', 'did you mean "smollm2-135m-instruct"?',
    ),
    "template of unknown columns": (
        ("recipe.py", LAST, f'{LAST},\n        prompt={{"template": "{{q}} ### Response: "}}'),
        '        prompt={"template', "prompt.template",
    ),
    "argument of a hook": (
        ("__init__.py", "def harness_models()", "def harness_models(config)"),
        "@hookimpl\ndef harness_models", "a hook takes no argument",
    ),
    "return forgotten": (
        ("__init__.py", "return [RECIPE]", "[RECIPE]"), "@hookimpl\ndef harness_recipes", "None",
    ),
    "shapes that are no whole numbers": (
        ("peft_method.py", "features, params.r)", "features, params.r / 1)"),
        "def shapes", "expected a name and a tuple of whole numbers",
    ),
    "validator that raises": (
        ("strategy.py", '    """Share', "    def model_post_init(s, _): s.x\n" + '    """Share'),
        "    def model_post_init", "has no attribute 'x'",
    ),
}  # fmt: skip


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The sources of a generated plugin with a PEFT method, installed, not imported yet."""
    write_plugin("my-entry", tmp_path / "my-entry")
    source = tmp_path / "my-entry" / "src" / "harness_my_entry"
    (source / "peft_method.py").write_text(PEFT_METHOD)
    init = source / "__init__.py"
    init.write_text(init.read_text() + HOOK.format(module="harness_my_entry"))
    info = tmp_path / "site" / "my_entry-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-entry\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowertune_harness]\nmy-entry = harness_my_entry\n")
    monkeypatch.syspath_prepend(info.parent)
    monkeypatch.syspath_prepend(source.parent)
    loading.load.cache_clear()
    places._tree.cache_clear()
    yield source
    loading.load.cache_clear()


def edit(source: Path, change: Edit) -> None:
    file, right, wrong = change
    text = (source / file).read_text()
    assert right in text
    (source / file).write_text(text.replace(right, wrong, 1))


def line_of(source: Path, file: str, start: str) -> str:
    """Return the place of the line that `start` begins."""
    before, found, _ = f"\n{(source / file).read_text()}".partition(f"\n{start}")
    assert found, f"{file} has no line {start!r}"
    return f"harness_my_entry/{file}:{before.count(chr(10)) + 1}"


def said(source: Path) -> str:
    """Return what `harness plan` says is wrong."""
    try:
        found = resolve(Request("my-entry"))
    except HarnessError as error:
        return str(error)
    return "".join(item.found for item in found.violations)


def one_line(message: str, place: str, words: str) -> None:
    assert words in message
    assert f"({place})" in message
    assert "\n" not in message
    assert not re.search(r"pydantic|site-packages|https?:", message)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_the_authors_file_and_line(mistake: str, author: Path) -> None:
    change, start, words = MISTAKES[mistake]
    if change[0] == "peft_method.py":
        edit(author, ("recipe.py", *OWN))
        edit(author, ("recipe.py", *TARGETS))
    edit(author, change)
    file = "__init__.py" if start.startswith("from harness_my_entry") else change[0]
    one_line(said(author), line_of(author, file, start), words)


def test_the_plugin_without_a_mistake_is_planned(author: Path) -> None:
    assert said(author) == ""


def test_what_the_command_line_sets_is_nobody_elses_line(author: Path) -> None:
    with pytest.raises(HarnessError) as caught:
        resolve(Request("my-entry", overrides=("strategy.eta=2.0",)))
    assert ".py:" not in str(caught.value)


IN_A_TRIAL: dict[str, tuple[Edit, str, str]] = {
    "shapes that are not peft's": (
        ("peft_method.py", "(layer.out_features, params.r)", "(params.r, layer.out_features)"),
        "def shapes", "the forecast (4, 32)",
    ),
    "float64 returned": (
        ("strategy.py", "np.float32(eta)", "np.float64(eta)"),
        "        def aggregate_train", "dtype float64; expected float32",
    ),
    "an iterator as state": (
        ("strategy.py", "self.before:", "self.turns = iter([1])\n            self.before:"),
        "            self.turns", "which a checkpoint cannot keep",
    ),
    "build returns nothing": (
        ("strategy.py", "return Damped(", "Damped("), "def _build", "returned NoneType",
    ),
    "aggregate raises": (
        ("strategy.py", "Array(self.before[", "Array(self.befor["),
        "                name: Array", "has no attribute 'befor'",
    ),
}  # fmt: skip
"""What only a trial of the component shows: the plugin's own test, or a smoke run."""


@pytest.mark.parametrize("mistake", IN_A_TRIAL)
def test_what_a_trial_shows_is_one_line_as_well(mistake: str, author: Path) -> None:
    pytest.importorskip("torch")
    from harness.testing.peft_checks import check_peft_method
    from harness.testing.strategy_checks import check_strategy

    change, start, words = IN_A_TRIAL[mistake]
    edit(author, change)
    plugin = loading.load("my-entry")
    if change[0] == "peft_method.py":
        found = list(check_peft_method(plugin.peft_methods["narrow"], plugin))
    else:
        found = list(check_strategy(plugin.strategies["damped"], plugin))
    assert len(found) == 1
    one_line(str(found[0]), line_of(author, change[0], start), words)


def test_torch_at_the_top_is_named_with_its_line(author: Path) -> None:
    edit(author, ("strategy.py", "from typing import", "import torch\nfrom typing import"))
    place = line_of(author, "strategy.py", "import torch")
    if not pytest.importorskip("importlib.util").find_spec("torch"):
        one_line(said(author), place, "No module named 'torch'")
        return
    loading.load("my-entry")
    assert places.of_import("harness_my_entry") == place
