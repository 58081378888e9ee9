"""`--set` tries another component or another choice about the data without editing the recipe."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from harness.document import Document
from harness.errors import UsageError
from harness.planning.settings.overrides import apply_to_recipe, parse_overrides
from harness.recipe import Choice, Recipe, TrainSpec

RECIPE = Recipe(
    name="r",
    title="a recipe",
    model="m",
    peft=Choice(name="standard/dora", params={"r": 8, "alpha": 16}),
    strategy=Choice(name="standard/fedprox", params={"mu": 0.1}),
    train=TrainSpec(),
)


class Lora(Document):
    """Parameters that have one thing in common with those of the recipe's own method."""

    alpha: int = 1
    r: Annotated[int, Field(le=4)] = 4


class Nothing(Document):
    """A strategy without parameters."""


def takes(part: str, name: str) -> type[Document]:
    return Lora if part == "peft" else Nothing


def changed(*options: str) -> Recipe:
    return apply_to_recipe(RECIPE, parse_overrides(options), takes)[0]


def test_another_component_brings_its_own_parameters() -> None:
    found = changed("strategy=standard/fedavg", "peft=standard/lora", "peft.r=4")
    assert found.strategy == Choice(name="standard/fedavg")
    assert found.peft == Choice(name="standard/lora", params={"r": 4, "alpha": 16})
    assert found.title == (
        "a recipe, but standard/lora in place of standard/dora,"
        " standard/fedavg in place of standard/fedprox"
    )


def test_what_another_component_has_no_use_for_is_said() -> None:
    """The alpha of 16 is kept; a rank of 8 is more than this method takes, and mu is nobody's."""
    overrides = parse_overrides(["strategy=standard/fedavg", "peft=standard/lora"])
    recipe, left = apply_to_recipe(RECIPE, overrides, takes)
    assert recipe.peft.params == {"alpha": 16}
    assert left == ("r=8 of standard/dora", "mu=0.1 of standard/fedprox")


@pytest.mark.parametrize(
    ("option", "path", "value"),
    [
        ("lr=1e-4", "train.learning_rate_max", 1e-4),
        ("r=4", "peft.params.r", 4),
        ("lora-alpha=8", "peft.params.alpha", 8),
        ("target_modules=[q_proj, v_proj]", "peft.params.target_modules", ["q_proj", "v_proj"]),
        ('target_modules=["q_proj"]', "peft.params.target_modules", ["q_proj"]),
        ("steps=3", "train.max_steps", 3),
        ("target_modules='q_proj','v_proj'", "peft.params.target_modules", ["q_proj", "v_proj"]),
        (
            "peft.target_modules=(q_proj, v_proj)",
            "peft.params.target_modules",
            ["q_proj", "v_proj"],
        ),
        ("lora.r=4", "peft.params.r", 4),
        ("train.lr=1e-4", "train.learning_rate_max", 1e-4),
        ("num-server-rounds=4", "train.rounds", 4),
        ("model.lora.peft-lora-alpha=8", "peft.params.alpha", 8),
        ("train.training-arguments.max-steps=3", "train.max_steps", 3),
        ("enable_thinking=false", "train.prompt.template_arguments.enable_thinking", False),
        ("append-eos=true", "train.prompt.append_eos", True),
        ("enable_thinking=False", "train.prompt.template_arguments.enable_thinking", False),
        ("prompt.append_eos=TRUE", "train.prompt.append_eos", True),
        ("fraction=.25", "train.fraction", 0.25),
        ("fraction=1.", "train.fraction", 1.0),
        ("lr=.5e-3", "train.learning_rate_max", 0.5e-3),
        ("strategy.shares=[1., .5]", "strategy.params.shares", [1.0, 0.5]),
        ('peft.names=["a .5", "True"]', "peft.params.names", ["a .5", "True"]),
        ("prompt.system=True or .5", "train.prompt.system", "True or .5"),
        ("model.revision=v1.", "model_fields.revision", "v1."),
        ("quantization=int8", "model_fields.quantization", "int8"),
    ],
)
def test_settings_are_taken_as_people_type_them(option: str, path: str, value: object) -> None:
    assert parse_overrides([option]).values == {path: value}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("epochs=3", "set max_steps"),
        ("train.local-epochs=3", "set max_steps"),
        ("scheduler=linear", "set round_schedule"),
        ("model.lora.peft-use-dora=true", "set peft=standard/dora"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(option: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_overrides([option])


def test_a_component_s_own_parameter_is_never_taken_for_another() -> None:
    assert parse_overrides(["peft.rank=8"]).values == {"peft.params.rank": 8}


@pytest.mark.parametrize(
    ("option", "lacking"),
    [
        ("extensions.warm_start.adapter=me/first", "extensions.warm_start.sha256"),
        ("codec.share=0.1", "codec"),
    ],
)
def test_what_is_missing_beside_a_setting_is_named(option: str, lacking: str) -> None:
    with pytest.raises(UsageError, match=f"^--set {lacking}=... is missing beside what is set"):
        changed(option)


def test_the_same_component_keeps_its_parameters() -> None:
    found = changed("strategy=standard/fedprox", "peft.r=4")
    assert found.strategy == RECIPE.strategy
    assert found.peft.params == {"r": 4, "alpha": 16}


def test_choices_about_the_data_can_be_set() -> None:
    found = changed(
        "prompt.style=chat",
        'data.output_map={ "mildly positive" = "positive" }',
        'train.data.filters=[{ column = "output", pattern = "positive" }]',
    )
    assert found.train.prompt.style == "chat"
    assert found.train.data.output_map == {"mildly positive": "positive"}
    assert found.train.data.filters[0].keep == "matching"


@pytest.mark.parametrize("option", ["rounds=1e3", 'rounds="3"', "batch_size=0x0"])
def test_a_value_that_is_refused_is_shown_as_it_was_typed(option: str) -> None:
    with pytest.raises(UsageError) as refused:
        changed(option)
    assert str(refused.value).startswith(f"--set {option}: expected ")


def test_a_text_may_look_like_a_number() -> None:
    assert changed("prompt.system=10", "data.output=1e3").train.prompt.system == "10"
    assert changed("data.output=1e3").train.data.output == "1e3"
    assert changed("prompt.template=true").train.prompt.template == "true"


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("rounds=abc", "a whole number"),
        ("weight_decay=abc", "a number"),
        ("exact_peft=yes", "true or false"),
        ("data.filters=3", "a list"),
        ("prompt=3", "names with their values"),
        ("prompt.template_arguments.x=1.5", "true or false or a whole number or a text"),
    ],
)
def test_what_a_setting_takes_is_said_in_plain_words(option: str, expected: str) -> None:
    with pytest.raises(UsageError) as refused:
        changed(option)
    assert str(refused.value) == f"--set {option}: expected {expected}; change the value"
