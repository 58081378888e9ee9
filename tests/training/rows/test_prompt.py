"""Training sees the response and nothing else, or the run is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import PluginError
from harness.recipe import Prompt, TrainSpec
from harness.training.base_model import load_tokenizer
from harness.training.rows import examples
from harness.training.rows.examples import (
    ENCODED_AT_ONCE,
    count_left_out,
    doubts,
    encode,
    left_out,
    tokenise,
)
from harness.training.rows.prompt import Rendered, check_prompt, check_tokenizer, render

ROW = {"instruction": "What?", "input": "Profit rose 5 %.", "output": "moderately positive"}


@pytest.fixture
def tokenizer(tiny_model: Path) -> object:
    """Return the tiny model's tokenizer."""
    from harness_tiny import MODEL

    return load_tokenizer(MODEL, str(tiny_model))


def test_template_is_the_challenges_alpaca() -> None:
    found = render(Prompt(), ROW)
    assert found.text == (
        "Below is an instruction that describes a task. Write a response that appropriately"
        " completes the request.\n### Instruction:\nWhat? Profit rose 5 %.\n### Response:"
        " moderately positive"
    )
    assert found.text[found.response :] == " moderately positive"
    assert found.text[found.output :] == "moderately positive"


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


def test_rows_without_a_label_left_are_left_out_and_counted(tokenizer: object) -> None:
    long = ROW | {"input": "Profit rose. " * 200}
    rows, train = [ROW | {"input": "x"}, long, long], TrainSpec(seq_length=120)
    assert len(tokenise(rows, train, tokenizer, 3)) == 1
    assert count_left_out(rows, train, tokenizer, 3) == 2
    assert count_left_out(rows, TrainSpec(seq_length=4096), tokenizer, 3) == 0
    for function in (tokenise, count_left_out):
        with pytest.raises(PluginError, match=r"partition 3: none of its 2 rows .* seq_length 120"):
            function([long, long], train, tokenizer, 3)


def test_a_table_of_doubtful_rows_is_never_held_as_tokens_whole(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []

    def watched(rows: Sequence[Rendered], train: TrainSpec, tokenizer: Any) -> list[Any]:
        held.append(len(rows))
        return encode(rows, train, tokenizer)

    monkeypatch.setattr(examples, "encode", watched)
    rows = [ROW] * ENCODED_AT_ONCE + [ROW | {"input": "Profit rose. " * 200}] * 2
    train = TrainSpec(seq_length=120)
    assert left_out(rows, train, tokenizer) == 2
    assert held == [ENCODED_AT_ONCE, 2]


@pytest.mark.parametrize("style", ["text", "chat"])
def test_no_row_is_left_out_that_was_not_doubted(tokenizer: Any, style: Any) -> None:
    tokenizer.chat_template = "{% for m in messages %}<{{ m.content }}>{% endfor %}answer:"
    for length in range(8, 200, 7):
        train = TrainSpec(seq_length=length, prompt=Prompt(style=style))
        doubtful = doubts(train, tokenizer)
        for words in range(0, 12, 3):
            row = ROW | {"input": "Gewinn stieg, \u00e9\u4e2d. " * words}
            [example] = encode([render(train.prompt, row, tokenizer)], train, tokenizer)
            assert doubtful(row) or example is not None


def test_a_run_whose_rows_do_not_fit_is_refused_before_its_first_round(
    make_trainer: Callable[..., Any],
) -> None:
    with pytest.raises(PluginError, match=r"partition 0: none of its \d+ rows .* seq_length 8"):
        make_trainer(seq_length=8)
    whole = make_trainer()
    assert "left out" not in _note(whole)
    starts = sorted(example.response_start for example in whole.rows.examples(0))
    short = make_trainer(seq_length=starts[len(starts) // 2])
    said = re.match(r"(\d+) of 1600 rows have no token of their answer within", _note(short))
    assert said is not None
    left = sum(len(whole.rows.examples(p)) - len(short.rows.examples(p)) for p in range(6))
    assert int(said.group(1)) == left > 100


def _note(trainer: Any) -> str:
    return str(trainer.describe().note)


def test_a_marker_that_ends_in_a_space_trains_the_answer(tokenizer: Any) -> None:
    """A token of the answer that begins inside the marker is trained on, not dropped."""
    prompt = Prompt(response_marker="### Response: ", append_eos=True)
    for output in ("positive", "negative", "neutral"):
        row = ROW | {"output": output}
        [example] = tokenise([row], TrainSpec(prompt=prompt), tokenizer, 0)
        trained = tokenizer.decode(example.ids[example.response_start :])
        assert trained.strip() == output + tokenizer.eos_token
        plain = Prompt(append_eos=True)
        [same] = tokenise([row], TrainSpec(prompt=plain), tokenizer, 0)
        assert same.ids == example.ids


@pytest.mark.parametrize("template", ["<bos>{input} ### R: {output}", "{input} ### R: {output}"])
def test_a_text_begins_with_one_bos_where_the_tokenizer_has_one(
    tokenizer: Any, template: str
) -> None:
    _add_bos(tokenizer)
    prompt = Prompt(template=template, response_marker="### R:", append_eos=True)
    [example] = tokenise([ROW], TrainSpec(prompt=prompt), tokenizer, 0)
    assert example.ids[0] == tokenizer.bos_token_id
    assert example.ids.count(tokenizer.bos_token_id) == 1
    response = tokenizer.decode(example.ids[example.response_start :])
    assert response == " moderately positive" + tokenizer.eos_token
    chat = Prompt(style="chat")
    for text in ("{{ bos_token }}Q: {{ messages[0].content }} A:", "{{ messages[0].content }} A:"):
        tokenizer.chat_template = text
        [example] = tokenise([ROW], TrainSpec(prompt=chat), tokenizer, 0)
        assert example.ids[0] == tokenizer.bos_token_id
        assert example.ids.count(tokenizer.bos_token_id) == 1
        assert tokenizer.decode(example.ids[example.response_start :]) == "moderately positive"


def test_a_token_that_the_model_has_no_row_for_is_told_before_it_trains(tokenizer: Any) -> None:
    rows = len(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = "<|im_start|>{{ messages[0].content }}"
    check_tokenizer(Prompt(), tokenizer, rows)
    chat = Prompt(style="chat")
    check_tokenizer(chat, tokenizer, rows + 1)
    with pytest.raises(PluginError, match=rf"'<\|im_start\|>', token {rows}, .*rows for {rows}"):
        check_tokenizer(chat, tokenizer, rows)


def test_a_template_that_writes_the_day_writes_the_same_on_every_day(tokenizer: Any) -> None:
    tokenizer.chat_template = "Today: {{ strftime_now('%d %b %Y') }}. {{ messages[0].content }}"
    assert render(Prompt(style="chat"), ROW, tokenizer).text.startswith("Today: 26 Jul 2024. ")


def _add_bos(tokenizer: Any) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer.add_special_tokens({"bos_token": "<bos>"})
    bos = ("<bos>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[bos]
    )


def test_one_eos_ends_an_answer_that_brings_its_own(tokenizer: Any) -> None:
    row = ROW | {"output": "positive" + tokenizer.eos_token}
    [example] = tokenise([row], TrainSpec(prompt=Prompt(append_eos=True)), tokenizer, 0)
    assert example.ids.count(tokenizer.eos_token_id) == 1


def test_arguments_of_a_chat_template_reach_it(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{{ messages[0].content }}{% if enable_thinking is false %}<think></think>{% endif %}"
    )
    prompt = Prompt(style="chat", template_arguments={"enable_thinking": False})
    check_tokenizer(prompt, tokenizer, len(tokenizer))
    assert render(prompt, ROW, tokenizer).text.endswith("<think></think>moderately positive")
    assert "think" not in render(Prompt(style="chat"), ROW, tokenizer).text
    tokenizer.chat_template = "{{ messages[0].content }}"
    with pytest.raises(PluginError, match=r"'enable_thinking', which the .* does not read"):
        check_tokenizer(prompt, tokenizer, len(tokenizer))
    text = Prompt(template_arguments={"enable_thinking": False})
    with pytest.raises(PluginError, match=r"template_arguments with prompt\.style text"):
        check_prompt(text, "p/r")
    with pytest.raises(PluginError, match="has 'tokenize'"):
        check_prompt(Prompt(style="chat", template_arguments={"tokenize": True}), "p/r")


def test_a_template_that_refuses_a_system_message_is_refused_in_words(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{{ messages[0].content }}"
    )
    check_tokenizer(Prompt(style="chat"), tokenizer, len(tokenizer))
    with pytest.raises(PluginError, match=r"System role not supported; leave prompt\.system empty"):
        check_tokenizer(Prompt(style="chat", system="Be brief."), tokenizer, len(tokenizer))


def test_an_empty_response_is_refused(tokenizer: object) -> None:
    prompt = Prompt(template="{instruction}{input}\n### Response:{output}")
    with pytest.raises(PluginError, match="none of its 1 rows"):
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
