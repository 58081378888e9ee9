"""The model card shows a stranger the command, prompt, mapping, and how to load the adapter."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
from clean_submission import Submission

from harness.boards.challenge import load_challenge
from harness.record.card import FORMS, MAPPED, card
from harness.record.result import ResultRecord
from harness.verify.rules.entry.presentation import derived_card

FINANCE = load_challenge("finance")


def record(**train: Any) -> ResultRecord:
    value = Submission().record
    for key, new in train.items():
        value["spec"]["train"][key] = new
    return ResultRecord.model_validate(value)


def test_the_snippet_is_python_that_names_the_base_and_its_revision() -> None:
    made = record()
    [snippet] = re.findall(r"```python\n(.*?)```", card(made, FINANCE), re.DOTALL)
    ast.parse(snippet)
    assert f'"{made.spec.model.hub_id}", revision="{made.spec.model.revision}"' in snippet


def test_command_prompt_and_marker_are_shown_as_they_were() -> None:
    command = ("harness", "run", "--plugin", "p/r", "--set", "rounds=3")
    text = card(record(), FINANCE, command)
    prompt = record().spec.train.prompt
    assert "harness run --plugin p/r --set rounds=3" in text
    assert prompt.template in text
    assert repr(prompt.response_marker) in text


def test_a_prompt_cannot_leave_its_block() -> None:
    prompt = record().spec.train.prompt.model_dump()
    prompt["template"] = "```\n# eligible\n{instruction} ### Response: {output}"
    text = card(record(prompt=prompt), FINANCE)
    assert "````text\n```\n# eligible" in text


@pytest.mark.parametrize(("count", "more"), [(MAPPED, False), (MAPPED + 1, True)])
def test_twenty_lines_of_a_mapping_are_shown(count: int, more: bool) -> None:
    data = record().spec.train.data.model_dump()
    data["output_map"] = {f"answer {number}": "positive" for number in range(count)}
    text = card(record(data=data), FINANCE)
    assert "'answer 0' becomes 'positive'" in text
    assert ("and 1 more, in result.json" in text) is more


def test_a_smoke_run_is_one_sentence() -> None:
    value = Submission().record
    value["spec"]["smoke"] = True
    value["eligible"], value["ineligible_because"] = False, ["a smoke run: x", "y", "z"]
    text = card(ResultRecord.model_validate(value), FINANCE)
    assert "**A smoke run: it shows that everything works, and ranks nowhere.**" in text
    assert "- y" not in text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("codec", [None, {"name": "int8"}])
def test_a_card_of_any_form_follows_from_the_record_and_no_other_does(
    codec: dict[str, str] | None, form: int
) -> None:
    class Filed:
        about = None
        record = record(codec=codec)
        challenge = FINANCE
        card = card(record, FINANCE, form=form)

    assert list(derived_card(Filed)) == []  # type: ignore[arg-type]
    Filed.card += "more"
    assert list(derived_card(Filed)) != []  # type: ignore[arg-type]


def test_a_card_of_one_round_that_was_filed_before_counts_were_words_is_known() -> None:
    one = ResultRecord.model_validate(Submission(rounds=1).record)
    today, before = card(one, FINANCE), card(one, FINANCE, form=2)
    assert " in 1 round of " in today
    assert before == today.replace(" in 1 round of ", " in 1 rounds of ")


def coded() -> ResultRecord:
    """A run whose messages were encoded, so that they are smaller than the adapter."""
    value = record(codec={"name": "int8"}).model_dump()
    value["communication"]["bytes_total"] //= 4
    return ResultRecord.model_validate(value)


def test_a_codec_is_named_and_no_other_count_of_its_messages_is_given() -> None:
    text = card(coded(), FINANCE)
    assert "| int8, block 256, both ways" in text
    assert "2025-09-17" not in text
    assert "2025-09-17" in card(record(), FINANCE)
