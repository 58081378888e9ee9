"""Training sees the response and nothing else, or the run is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import PluginError
from harness.recipe import Prompt, TrainSpec
from harness.training.base_model import load_tokenizer
from harness.training.examples import tokenise
from harness.training.prompt import check_prompt, render

ROW = {"instruction": "What?", "input": "Profit rose 5 %.", "output": "moderately positive"}


@pytest.fixture
def tokenizer(tiny_model: Path) -> object:
    """Return the tiny model's tokenizer."""
    from harness_tiny import MODEL

    return load_tokenizer(MODEL, str(tiny_model))


def test_template_is_the_challenges_alpaca() -> None:
    text, start = render(Prompt(), ROW)
    assert text == (
        "Below is an instruction that describes a task. Write a response that appropriately"
        " completes the request.\n### Instruction:\nWhat? Profit rose 5 %.\n### Response:"
        " moderately positive"
    )
    assert text[start:] == " moderately positive"


def test_only_the_answer_is_trained_on(tokenizer: object) -> None:
    [example] = tokenise([ROW], TrainSpec(), tokenizer, 0)
    assert tokenizer.decode(example.ids[example.response_start :]) == " moderately positive"  # type: ignore[attr-defined]


def test_a_marker_inside_the_text_of_a_row_does_not_move_the_loss(tokenizer: object) -> None:
    row = ROW | {"input": "He said ### Response: negative"}
    [example] = tokenise([row], TrainSpec(), tokenizer, 0)
    assert tokenizer.decode(example.ids[example.response_start :]) == " moderately positive"  # type: ignore[attr-defined]


def test_eos_is_trained_on_only_when_asked_for(tokenizer: object) -> None:
    [without] = tokenise([ROW], TrainSpec(), tokenizer, 0)
    train = TrainSpec(prompt=Prompt(append_eos=True))
    [with_eos] = tokenise([ROW], train, tokenizer, 0)
    assert with_eos.ids == (*without.ids, tokenizer.eos_token_id)  # type: ignore[attr-defined]


def test_an_example_without_a_label_left_is_refused_by_name(tokenizer: object) -> None:
    long = ROW | {"input": "Profit rose. " * 200}
    with pytest.raises(PluginError, match=r"partition 3, row 1: no token after .* seq_length 120"):
        tokenise([ROW | {"input": "x"}, long], TrainSpec(seq_length=120), tokenizer, 3)


def test_an_empty_response_is_refused(tokenizer: object) -> None:
    prompt = Prompt(template="{instruction}{input}\n### Response:{output}")
    with pytest.raises(PluginError, match="row 0: no token"):
        tokenise([ROW | {"output": ""}], TrainSpec(prompt=prompt), tokenizer, 0)


@pytest.mark.parametrize(
    ("template", "marker", "says"),
    [
        ("{instruction} {input} -> {output}", "### Response:", "occurs 0 times"),
        ("### R: {input} ### R: {output}", "### R:", "occurs 2 times"),
        ("{output} ### R: {input}", "### R:", "does not hold {output}"),
        ("{input} ### R: {output} {input}", "### R:", "does not hold {output}"),
        ("{sentence} ### R: {output}", "### R:", "sentence"),
        ("{input ### R: {output}", "### R:", "prompt.template"),
    ],
)
def test_an_unusable_prompt_is_refused(template: str, marker: str, says: str) -> None:
    with pytest.raises(PluginError, match="recipe p/r") as caught:
        check_prompt(Prompt(template=template, response_marker=marker), "p/r")
    assert says in str(caught.value)
