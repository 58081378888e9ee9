"""One model at work: official answers and log-likelihoods of any rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.challenge import Protocol
from harness.evaluation.adapter import merge_adapter
from harness.evaluation.base_model import Base, add_pad, load_base
from harness.evaluation.cache_memory import cache_bytes
from harness.evaluation.decode import Decoder, Ended
from harness.evaluation.draft import MAX_DRAFT_TOKENS
from harness.evaluation.prompts import RowPlan
from harness.scoring.answers import is_decided

MAX_LINES = 128
"""Rows decoded at a time: measured, a step of 128 rows reaches 84 % of the rate of one of 512."""

MIN_LINES = 4

TAIL_TOKENS = 8
"""New tokens looked at before the whole text is: a label word is eight letters at most eight
tokens. What this misses is only noticed later; no label depends on it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A finished row as text."""

    row: int
    text: str
    """Decoded prompt and continuation, special tokens left out."""
    ended: Ended
    new_tokens: int


class Engine:
    """A base model with its adapter merged, and the decoder on it."""

    def __init__(self, base: Base, protocol: Protocol, rows: int) -> None:
        """Allocate the decoder.

        Args:
            base: model and tokenizer; the pad token is added here, after the adapter.
            protocol: the official evaluation.
            rows: how many rows will be asked for at most.
        """
        self.base, self.protocol = base, protocol
        pad_id = add_pad(base.model, base.tokenizer)
        shape = base.cache_shape(protocol.max_length_tokens + 1 + MAX_DRAFT_TOKENS)
        kind = next(base.model.parameters()).device.type
        fitting = cache_bytes(kind) // shape.row_bytes
        lines = min(max(fitting, MIN_LINES), MAX_LINES, max(rows, 1))
        self.decoder = Decoder(base.model, pad_id, base.eos_id, shape, lines)

    def answers(self, plans: Sequence[tuple[int, RowPlan]]) -> Iterator[Text]:
        """Yield the official text of every row, in the order in which they finish."""
        by_row = dict(plans)
        for done in self.decoder.decode(plans, self._decided):
            text = self._text([*by_row[done.row].ids, *done.ids])
            yield Text(done.row, text, done.ended, len(done.ids))

    def _decided(self, plan: RowPlan, ids: Sequence[int]) -> bool:
        if len(ids) > 1:
            tail = self._text(ids[-TAIL_TOKENS:])
            if "ositive" not in tail and self.protocol.answer_marker.strip(" :") not in tail:
                return False
        return is_decided(self._text([*plan.ids, *ids]), self.protocol.answer_marker)

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self.base.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


def load_engine(
    model_dir: Path,
    adapter_dir: Path | None,
    protocol: Protocol,
    rows: int,
    device: str,
    trust_remote_code: bool = False,
) -> Engine:
    """Load a base model, merge an adapter into it and return the engine.

    Raises:
        EvaluationError: the model cannot be evaluated, or the adapter does not fit it.
    """
    if device == "cuda":
        # TF32 would round what the protocol computes in float32.
        torch.backends.cuda.matmul.allow_tf32 = False
    base = load_base(model_dir, device, protocol.seed, trust_remote_code)
    if adapter_dir is not None:
        merge_adapter(base, adapter_dir)
    return Engine(base, protocol, rows)
