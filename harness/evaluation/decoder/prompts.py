"""What upstream's batches make of a row: three facts, after which its batch does not matter.

In transformers 4.x a greedy decode of a padded batch depends, row by row, on
- the row's own tokens, at positions 0, 1, 2 ... (pads are masked and take no position);
- whether the row is padded on the right: then its first new token is read off a pad, which sits at
  position 1 and attends to the real tokens but not to itself;
- how long the batch is padded, because prompt, pads and continuation share one maximum length, and
  because a sliding window counts places of the batch, pads included.
Nothing else crosses from one row to another, so rows may be decoded in any order and company.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import EvaluationError

PAD_POSITION = 1
"""Position of the pads of a prompt. Source: transformers 4.x `prepare_inputs_for_generation`,
`position_ids.masked_fill_(attention_mask == 0, 1)`."""


@dataclass(frozen=True, slots=True)
class RowPlan:
    """One row as its official batch decodes it."""

    ids: tuple[int, ...]
    """The prompt's real tokens."""
    pad_query: bool
    """Whether the first new token is read off a pad."""
    budget_tokens: int
    """New tokens until the batch reaches its maximum length; at least 1."""
    task: str = ""
    """Evaluation set of the row: when its text is settled may depend on it."""
    pads: int = 0
    """Pads between the prompt and its continuation in the official batch."""


def plan_rows(
    tokenizer: Any, prompts: Sequence[str], batch_size: int, max_length: int, task: str = ""
) -> list[RowPlan]:
    """Return the plan of every row of a whole evaluation set, in order.

    Args:
        tokenizer: the base model's, its pad token already set.
        prompts: all prompts of the set: batches are cut from the whole, whatever is decoded.
        batch_size: rows per batch.
        max_length: tokens of prompt, pads and continuation together.
        task: the evaluation set.

    Raises:
        EvaluationError: a batch's prompts leave no room for one new token.
    """
    right = tokenizer.padding_side == "right"
    ids = [tokenizer(text)["input_ids"] for text in prompts]
    plans: list[RowPlan] = []
    for first in range(0, len(ids), batch_size):
        batch = ids[first : first + batch_size]
        width = max(map(len, batch))
        if width >= max_length:
            raise EvaluationError(
                f"rows {first}..{first + len(batch) - 1}: the longest prompt has {width} tokens;"
                f" fewer than {max_length} are needed; this tokenizer cannot be evaluated"
            )
        for row in batch:
            pads = width - len(row) if right else 0
            plans.append(RowPlan(tuple(row), pads > 0, max_length - width, task, pads))
    return plans


def plan_alone(
    tokenizer: Any,
    prompts: Sequence[str],
    answers: Sequence[str],
    batch_size: int,
    stop_ids: frozenset[int],
    task: str = "",
    count: int | None = None,
) -> list[RowPlan]:
    """Return the plans of a set whose prompts are decoded one by one, in order.

    Every row of a batch gets as many new tokens as the right answer of the batch's first row has.
    Upstream then writes each output to all rows of an equal prompt, so of equal prompts the last
    one's number of tokens counts. With two rows a batch, and "maybe" of two tokens:

        prompts   p     q     p     r
        answers   yes   no    maybe no
        tokens    1     1     2     2      by their batches
                  2     1     2     2      the first p gets what the second one wrote

    Args:
        tokenizer: the base model's, untouched: its own BOS is added, and no pad token.
        prompts: what the model is given, of all rows of the set.
        answers: the right answers as upstream spells them.
        batch_size: rows that share a number of new tokens.
        stop_ids: tokens that end a row.
        task: the evaluation set.
        count: of how many rows, from the first on; None: of all.

    Raises:
        EvaluationError: upstream would hide a token of a prompt from the model, or a right answer
            has no token.
    """
    wanted = prompts[:count]
    ids = {text: tuple(tokenizer.encode(text)) for text in dict.fromkeys(wanted)}
    eos = tokenizer.eos_token_id
    for row, text in enumerate(wanted):
        # transformers masks what equals the pad token, which upstream says is EOS, unless the model
        # itself ends with it. Source: `_prepare_attention_mask_for_generation`.
        if eos in ids[text] and eos not in stop_ids:
            raise EvaluationError(
                f"row {row}: its prompt holds the tokenizer's EOS token {eos}, which the model's"
                " generation config does not end with: upstream would hide it from the model;"
                " publish a revision whose generation config lists it"
            )
    lengths = {
        text: len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in set(answers)
    }
    budgets: dict[str, int] = {}
    for row, text in enumerate(prompts):
        first = answers[row - row % batch_size]
        budgets[text] = lengths[first]
        if not budgets[text]:
            raise EvaluationError(f"row {row}: the tokenizer makes no token of {first!r}")
    return [RowPlan(ids[text], False, budgets[text], task) for text in wanted]
