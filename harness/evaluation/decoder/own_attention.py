"""Rows at work in a model that attends by itself: each is computed whole every time.

Its code came out of its own folder, or its family is not in the table. Such code keeps what it
likes between passes and attends as it likes, so nothing of a row is cached, and no row is computed
beside another. What is asked for is what any causal language model answers: the logits of a row's
tokens, with the pads of its official batch where they stand and masked.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.evaluation.decoder.packed_step import Span
from harness.evaluation.decoder.prompts import PAD_POSITION
from harness.evaluation.decoder.working_set import STEP_TOKENS, Stopped, WorkingSet


class RowTokens:
    """The tokens of each line, in place of the keys and values of a cache."""

    def __init__(self, lines: int) -> None:
        """Begin with empty lines."""
        self.rows: list[list[int]] = [[] for _ in range(lines)]

    def copy_line(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of line `source` over those of line `target`."""
        self.rows[target][:length] = self.rows[source][:length]


class OwnAttention(WorkingSet):
    """The lines of rows, and a model that is given each of them whole."""

    shares_within_pass = False

    def __init__(self, model: Any, lines: int) -> None:
        """Begin with free lines.

        Args:
            model: causal language model in eval mode, with whatever attention it has.
            lines: how many rows may be at work at a time.
        """
        self.model = model
        self.device = next(model.parameters()).device
        self.step_tokens = STEP_TOKENS[self.device.type]
        self.tokens = RowTokens(lines)
        # Code of a model's folder may take a number alone, where transformers takes places too.
        self._keeps = (
            type(model).__module__.startswith("transformers.models.")
            and "logits_to_keep" in inspect.signature(model.forward).parameters
        )
        self._start(lines, self.tokens)

    @torch.inference_mode()
    def _logits(self, spans: Sequence[Span], order: Sequence[int]) -> Tensor:
        """Return the logits of all wanted tokens, float32 (wanted, vocab), spans in `order`."""
        if self.stopped:
            raise Stopped
        found = torch.cat([self._whole(spans[place]) for place in order])
        self._hold_what_begun()
        return found

    def _whole(self, span: Span) -> Tensor:
        """Return the logits of a span's wanted tokens, float32 (wanted, vocab).

        The row of the official batch is prompt, pads, continuation. A pad query is the last pad.
        """
        row = [*self.tokens.rows[span.line][: span.slot], *span.tokens]
        self.tokens.rows[span.line] = row
        real = row[:-1] if span.pad_query else row
        ids = [*real[: span.prompt], *[0] * span.pads, *real[span.prompt :]]
        mask = torch.ones(1, len(ids), dtype=torch.int64)
        mask[:, span.prompt : span.prompt + span.pads] = 0
        if span.pad_query:
            ids[-1] = row[-1]
        positions = (mask.cumsum(-1) - 1).masked_fill(mask == 0, PAD_POSITION)
        last = torch.arange(len(row) - span.wanted, len(row))
        places = (last + span.pads * (last >= span.prompt)).clamp(max=len(ids) - 1).to(self.device)
        logits: Tensor = self.model(
            input_ids=torch.tensor([ids]).to(self.device),
            attention_mask=mask.to(self.device),
            position_ids=positions.to(self.device),
            use_cache=False,
            **({"logits_to_keep": places} if self._keeps else {}),
        ).logits[0]
        return (logits if self._keeps else logits[places]).float()
