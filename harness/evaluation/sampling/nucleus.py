"""The smallest set of tokens that holds most of the probability, found without sorting them all."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

LIKELIEST = 64
"""Tokens among which the set must end; a set that ends later is found by sorting."""

CLOSE = 1e-4
"""Probability between a sum and the bound below which sorting decides. Sums of 50,000 numbers in
float32 are off by less than 1e-5."""


class Nucleus(LogitsProcessor):  # type: ignore[misc]  # transformers is not followed
    """Keeps what transformers' own warper keeps.

    With the probabilities 0.7, 0.2, 0.06, 0.03, 0.01 and 0.95 to be held, the third is kept, since
    0.9 come before it, and the fourth is not, since 0.96 do.
    """

    def __init__(self, top_p: float) -> None:
        """Take the probability that the kept tokens hold at least."""
        self.top_p, self._by_sorting = top_p, TopPLogitsWarper(top_p)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores with -inf for the tokens that are left out, float32 (rows, vocab)."""
        values = scores.topk(min(LIKELIEST, scores.shape[-1])).values
        shares = (values - scores.logsumexp(dim=-1, keepdim=True)).double().exp()
        before = shares.cumsum(dim=-1) - shares
        kept = (before < self.top_p).sum(dim=-1, keepdim=True)
        sums_are_clear = (before - self.top_p).abs().min() > CLOSE
        if not sums_are_clear or int(kept.max()) >= values.shape[-1]:
            return self._sorted(input_ids, scores)
        least, next_one = values.gather(-1, kept - 1), values.gather(-1, kept)
        if not bool((least > next_one).all()):  # of equal ones, sorting leaves out any
            return self._sorted(input_ids, scores)
        return scores.masked_fill(scores < least, -torch.inf)

    def _sorted(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        kept: torch.Tensor = self._by_sorting(input_ids, scores)
        return kept


def nucleus(model: Any, temperature: float, top_p: float) -> dict[str, Any]:
    """Return the arguments by which `generate` divides by a temperature and keeps a nucleus.

    Args:
        model: whose generation config may ask for a step between the two, which is then left where
            it stands: with the library's own.
        temperature: what scores are divided by.
        top_p: probability that the kept tokens hold at least.
    """
    if getattr(model.generation_config, "top_h", None) is not None or top_p >= 1:
        return {"temperature": temperature, "top_p": top_p}
    steps = LogitsProcessorList([TemperatureLogitsWarper(temperature), Nucleus(top_p)])
    return {"temperature": 1.0, "top_p": 1.0, "logits_processor": steps}
