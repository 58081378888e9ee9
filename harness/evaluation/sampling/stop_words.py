"""Drawing of a problem ends when every completion holds a stop word, wherever it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import StoppingCriteria

TAIL_TOKENS = 48
"""Last tokens in which a new stop word is looked for; the longest one has 13 characters."""


class EveryCompletionStopped(StoppingCriteria):  # type: ignore[misc]  # transformers is not followed
    """Asks after each step whether all completions of a problem hold a stop word.

    What a completion held once it holds for good, since it only grows.
    """

    def __init__(self, tokenizer: Any, prompt_tokens: int, stop_words: Sequence[str]) -> None:
        """Begin with a problem's prompt, of which no token is looked at."""
        self._tokenizer, self._prompt_tokens = tokenizer, prompt_tokens
        self._words = tuple(stop_words)
        self._stopped: set[int] = set()

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> bool:
        """Return whether all rows have stopped; `input_ids` are int64 (samples, tokens)."""
        tail = max(self._prompt_tokens, input_ids.shape[1] - TAIL_TOKENS)
        for row in range(input_ids.shape[0]):
            if row in self._stopped or not self._holds(input_ids[row, tail:]):
                continue
            if tail == self._prompt_tokens or self._holds(input_ids[row, self._prompt_tokens :]):
                self._stopped.add(row)
        return len(self._stopped) == input_ids.shape[0]

    def _holds(self, ids: torch.Tensor) -> bool:
        text = self._tokenizer.decode(ids)
        return any(word in text for word in self._words)
