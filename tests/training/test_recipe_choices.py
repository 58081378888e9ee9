"""What a recipe may choose about data, prompt, optimizer and schedule does what its name says."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from harness.errors import PluginError
from harness.planning.schedule import learning_rate, step_factor
from harness.recipe import DataSpec, Prompt, RowFilter, TrainSpec
from harness.training.base_model import load_tokenizer
from harness.training.rows.chosen_rows import choose_rows, rewritten
from harness.training.rows.examples import tokenise
from harness.training.rows.prompt import check_prompt, render

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ROWS = [
    {"instruction": "Judge.", "input": "Profit rose.", "output": "moderately positive"},
    {"instruction": "Judge.", "input": "Sales fell.", "output": "negative"},
    {"instruction": "Count.", "input": "One two.", "output": "2"},
]


@pytest.fixture
def tokenizer(tiny_model: Path) -> Any:
    """Return the tiny model's tokenizer with a ChatML template."""
    from harness_tiny import MODEL

    made = load_tokenizer(MODEL, str(tiny_model))
    made.chat_template = CHATML
    return made


def test_chat_style_is_the_tokenizers_own_template(tokenizer: Any) -> None:
    prompt = Prompt(style="chat", system="Be brief.", user="{instruction} {input}")
    found = render(prompt, ROWS[0], tokenizer)
    assert found.text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nJudge. Profit rose.<|im_end|>\n"
        "<|im_start|>assistant\nmoderately positive"
    )
    assert found.text[found.response :] == "moderately positive"
    train = TrainSpec(prompt=prompt.with_values(append_eos=True))
    [example] = tokenise(ROWS[:1], train, tokenizer, 0)
    response = tokenizer.decode(example.ids[example.response_start :])
    assert response == "moderately positive" + tokenizer.eos_token


def test_chat_style_needs_a_chat_template(tokenizer: Any) -> None:
    tokenizer.chat_template = None
    with pytest.raises(PluginError, match="has no chat template"):
        render(Prompt(style="chat"), ROWS[0], tokenizer)
    with pytest.raises(PluginError, match=r"prompt\.user names output"):
        check_prompt(Prompt(style="chat", user="{output}"), "p/r")


def test_filters_keep_what_they_say_and_rows_keep_their_numbers() -> None:
    judged = RowFilter(column="instruction", pattern="^Judge")
    rising = RowFilter(column="output", pattern="negative", keep="others")
    assert [i for i, _ in choose_rows(ROWS, DataSpec(filters=(judged,)), 0)] == [0, 1]
    assert [i for i, _ in choose_rows(ROWS, DataSpec(filters=(judged, rising)), 0)] == [0]
    nothing = RowFilter(column="input", pattern="no such text")
    with pytest.raises(PluginError, match=r"partition 7: .* keep none of its 3 rows"):
        choose_rows(ROWS, DataSpec(filters=(nothing,)), 7)
    with pytest.raises(PluginError, match="alternatives without groups"):
        choose_rows(ROWS, DataSpec(filters=(RowFilter(column="input", pattern="("),)), 0)


def test_columns_are_rewritten_from_the_old_ones() -> None:
    data = DataSpec(
        output_map={"moderately positive": "positive"},
        instruction="Sentiment?",
        input="{input} ({instruction})",
        output=" {output}.",
    )
    assert rewritten(ROWS[0], data) == {
        "instruction": "Sentiment?",
        "input": "Profit rose. (Judge.)",
        "output": " positive.",
    }
    assert rewritten(ROWS[0], DataSpec()) == ROWS[0]
    with pytest.raises(PluginError, match=r"data\.input names text"):
        choose_rows(ROWS, DataSpec(input="{text}"), 0)


def test_a_row_that_holds_braces_is_text() -> None:
    odd = ROWS[0] | {"input": "{output} and {"}
    assert rewritten(odd, DataSpec(instruction="x"))["input"] == "{output} and {"


def test_a_filtered_client_keeps_the_weight_of_its_partition(
    make_trainer: Callable[..., Any],
) -> None:
    neutral = DataSpec(filters=(RowFilter(column="output", pattern="^neutral$"),))
    whole = make_trainer()
    part = make_trainer(data=neutral.model_dump())
    assert 0 < len(part.rows.examples(0)) < len(whole.rows.examples(0))
    assert part.train(part.initial(), 1, 0).examples == whole.train(whole.initial(), 1, 0).examples


def test_round_schedules() -> None:
    def rates(kind: str) -> list[float]:
        train = TrainSpec.model_validate(
            {
                "rounds": 4,
                "round_schedule": kind,
                "learning_rate_max": 1.0,
                "learning_rate_min": 0.2,
            }
        )
        return [learning_rate(train, number) for number in (1, 2, 3, 4)]

    assert rates("linear") == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert rates("constant") == [1.0] * 4
    expected = [0.2 + 0.4 * (1 + math.cos(math.pi * t / 4)) for t in (1, 2, 3, 4)]
    assert rates("cosine") == pytest.approx(expected)


def test_step_schedules_and_warm_up() -> None:
    def factors(**values: Any) -> list[float]:
        train = TrainSpec.model_validate({"max_steps": 4} | values)
        return [step_factor(train, step) for step in range(4)]

    assert factors() == [1.0] * 4
    assert factors(step_schedule="linear") == pytest.approx([1, 0.75, 0.5, 0.25])
    assert factors(step_schedule="cosine") == pytest.approx([1, 0.853553, 0.5, 0.146447], rel=1e-5)
    assert factors(warmup_steps=1) == pytest.approx([0.5, 1, 1, 1])


def test_the_step_schedule_reaches_the_optimizer(make_trainer: Callable[..., Any]) -> None:
    """Plain steps of one example set: halving every rate after the first shortens the way."""

    def way(**train: Any) -> float:
        trainer = make_trainer(optimizer="sgd", max_steps=3, learning_rate_max=0.05, **train)
        start = trainer.initial()
        after = trainer.train(start, 1, 0).arrays
        return float(sum(np.abs(after[name] - start[name]).sum() for name in start))

    assert 0 < way(step_schedule="linear") < way()
    assert 0 < way(warmup_steps=3) < way()


@pytest.mark.parametrize("name", get_args(TrainSpec.model_fields["optimizer"].annotation))
def test_every_optimizer_moves_the_adapter(name: str, make_trainer: Callable[..., Any]) -> None:
    trainer = make_trainer(optimizer=name, max_steps=2)
    start = trainer.initial()
    after = trainer.train(start, 1, 0).arrays
    assert any(not np.array_equal(after[key], start[key]) for key in start)
    assert all(np.isfinite(value).all() for value in after.values())
