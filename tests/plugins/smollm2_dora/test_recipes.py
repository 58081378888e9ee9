"""The laptop recipe trains on the very tokens that the evaluation asks with."""

from __future__ import annotations

from pathlib import Path

from harness.boards.challenge import load_challenge
from harness.boards.finance.rows import make_row
from harness.planning.resolve import Request, resolve
from harness.sources import locate
from harness.training.base_model import load_tokenizer
from harness.training.rows.examples import tokenise

TEXT = "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn."


def test_the_laptop_recipe_trains_on_the_tokens_of_the_evaluation() -> None:
    resolved = resolve(Request("smollm2-dora/135m", smoke=True, device="cpu"))
    spec, challenge = resolved.spec, load_challenge("finance")
    model_dir = Path(locate(spec, resolved.challenge, None).model_dir)
    tokenizer = load_tokenizer(spec.model, str(model_dir))
    asked = make_row(challenge.protocol.instruction, TEXT, "positive", "news").context
    row = {
        "instruction": challenge.protocol.instruction.format(tag="news"),
        "input": TEXT,
        "output": "moderately positive",
    }
    [example] = tokenise([row], resolved.recipe.train, tokenizer, 0)
    ids = tokenizer(asked)["input_ids"]
    assert list(example.ids[: example.response_start]) == ids
    answer = tokenizer.convert_ids_to_tokens(example.ids[example.response_start :])
    assert answer == ["Ċ", "positive", "Ċ", tokenizer.eos_token]
