"""What upstream's batches make of a row: three facts, after which its batch does not matter.

In transformers 4.x a greedy decode of a padded batch depends, row by row, on
- the row's own tokens, at positions 0, 1, 2 ... (pads are masked and take no position);
- whether the row is padded on the right: then its first new token is read off a pad, which sits at
  position 1 and attends to the real tokens but not to itself;
- how long the batch is padded, because prompt, pads and continuation share one maximum length.
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
        plans += [
            RowPlan(tuple(row), right and len(row) < width, max_length - width, task)
            for row in batch
        ]
    return plans
