"""One model at work: official answers and log-likelihoods of any rows."""

from __future__ import annotations

import math
from collections.abc import Container, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch

from harness.boards.protocol import BoardProtocol
from harness.boards.rows import Row
from harness.errors import EvaluationError
from harness.evaluation.decoder.cache_memory import cache_bytes
from harness.evaluation.decoder.decode import Decoder
from harness.evaluation.decoder.guess_counting import count_on
from harness.evaluation.decoder.loglikelihood import Labels, Weighed, units, weigh
from harness.evaluation.decoder.own_attention import OwnAttention
from harness.evaluation.decoder.prompts import RowPlan, plan_alone, plan_rows
from harness.evaluation.decoder.row_state import Ended, Rules
from harness.evaluation.decoder.threads import DecoderPool
from harness.evaluation.decoder.working_set import WorkingSet
from harness.evaluation.model.base_model import Base, add_pad, load_base
from harness.evaluation.model.merged_adapter import merge_adapter
from harness.evaluation.model.model_form import prepare

MAX_LINES = {"cpu": 64, "cuda": 512}
"""Rows that one decoder has at work at a time at most; on a GPU not measured."""

FEWEST_LINES = 4
"""Rows at work at a time at least, whatever memory says."""

MIN_LINES = 16
"""Rows below which another decoder is not worth having."""

MAX_DECODERS = 4
"""Decoders at most; python runs in one of them at a time."""

TAIL_TOKENS = 8
"""New tokens in which the board's `hint` is looked for before the whole text is decoded. A label of
eight letters is eight tokens at most; what is missed only costs time, and no reading depends on
it."""

COUNTED_TOKENS = 48
"""New tokens in which a count is looked for."""

COUNTED_CHARACTERS = 150
"""Characters that a count is continued by."""


@dataclass(frozen=True, slots=True)
class Text:
    """A finished row as text."""

    row: int
    text: str
    """Prompt and continuation decoded together, special tokens left out."""
    new_text: str
    """The continuation decoded by itself, special tokens left out."""
    ended: Ended
    new_tokens: int


class Engine:
    """A base model with its adapter merged, and the decoders on it."""

    def __init__(self, base: Base, protocol: BoardProtocol, rows: int, threads: int) -> None:
        """Allocate the decoders.

        Args:
            base: model and tokenizer; where prompts are padded, the pad token is added here, after
                the adapter.
            protocol: the board's.
            rows: how many rows the evaluation has, done or not: where a stop was made must not
                decide how many decoders there are.
            threads: processors to use.
        """
        self.base, self.protocol = base, protocol
        self._rows, self._threads = rows, threads
        self._slots = 0
        self.pool: DecoderPool | None = None
        length = protocol.decoding.max_length_tokens
        if length is None:
            self._rules = Rules(base.eos_id, self._stop_ids(), self._settled)
            prepare(base)
            return
        pad_id = add_pad(base.model, base.tokenizer)
        self._rules = Rules(pad_id, frozenset({base.eos_id}), self._settled, self._count_on)
        prepare(base)
        self._decoders(length + 1)

    def plan(self, task: str, rows: Sequence[Row], count: int | None = None) -> list[RowPlan]:
        """Return the plans of a set's first `count` rows, or of all.

        Args:
            task: the evaluation set.
            rows: of the whole set, in order: more of them than are asked for decide.
            count: None: all.
        """
        decoding, tokenizer = self.protocol.decoding, self.base.tokenizer
        asked = [self.protocol.asked(row.context) for row in rows]
        if decoding.max_length_tokens is not None:
            size = decoding.batch_size
            # Whole batches: the last row that is asked for is padded with its neighbours.
            some = asked if count is None else asked[: math.ceil(count / size) * size]
            return plan_rows(tokenizer, some, size, decoding.max_length_tokens, task)[:count]
        answers = [self.protocol.written(row.target) for row in rows]
        return plan_alone(
            tokenizer, asked, answers, decoding.batch_size, self._rules.eos_ids, task, count
        )

    def answers(self, plans: Sequence[tuple[int, RowPlan]]) -> Generator[Text, None, None]:
        """Yield the official text of every row, in the order in which they finish."""
        by_row = dict(plans)
        ordered = sorted(plans, key=lambda item: (item[1].ids, item[0]))
        longest = max((len(plan.ids) + plan.budget_tokens for _, plan in plans), default=0)
        for done in self._decoders(longest + 1).work(ordered, Decoder.decode):
            text = self._text([*by_row[done.row].ids, *done.ids])
            yield Text(done.row, text, self._text(done.ids), done.ended, len(done.ids))

    def weights(
        self, rows: Sequence[Labels], missing: Container[int]
    ) -> Generator[Weighed, None, None]:
        """Yield the log-likelihoods of the missing rows, in the order in which they are known.

        Args:
            rows: all rows of the evaluation: they decide which of them are weighed together.
            missing: numbers of those that are wanted.
        """
        longest = max(
            (len(row.prompt) + max(map(len, row.choices), default=0) for row in rows), default=0
        )
        pool = self._decoders(longest + 1)
        found = pool.work(
            units(rows, missing),
            lambda decoder, share: chain.from_iterable(
                weigh(decoder.working_set, unit) for unit in share
            ),
            queued=True,
        )
        with closing(found):
            yield from (done for done in found if done.row in missing)

    def both(
        self, plans: Sequence[RowPlan], rows: Sequence[Labels], missing: Container[int]
    ) -> Generator[tuple[Text, Weighed], None, None]:
        """Yield text and log-likelihoods of the missing rows, each prompt read once.

        For rows of one new token, whose prompt is what their answers are weighed after.

        Args:
            plans: of all rows of the evaluation.
            rows: the same rows with their answers; see `weights`.
            missing: numbers of those that are wanted.
        """
        with closing(self.weights(rows, missing)) as found:
            for done in found:
                plan = plans[done.row]
                ends = done.likeliest in self._rules.eos_ids
                ids = () if ends else (done.likeliest,)
                text = self._text([*plan.ids, *ids])
                yield (
                    Text(done.row, text, self._text(ids), "eos" if ends else "length", len(ids)),
                    done,
                )

    def _decoders(self, slots: int) -> DecoderPool:
        """Return decoders for rows of so many tokens; they are made anew for longer ones only."""
        if self.pool is not None and slots <= self._slots:
            return self.pool
        self._slots = slots
        self.pool = None  # its memory goes before the new one's comes
        shape = self.base.cache_shape(slots)
        kind = next(self.base.model.parameters()).device.type
        fitting = max(cache_bytes(kind) // shape.row_bytes, FEWEST_LINES)
        several = min(self._threads, MAX_DECODERS, fitting // MIN_LINES, self._rows)
        count = max(several, 1) if kind == "cpu" else 1
        lines = min(fitting // count, MAX_LINES[kind], max(math.ceil(self._rows / count), 1))
        model = self.base.model
        sets = [
            OwnAttention(model, lines)
            if self.base.own_attention
            else WorkingSet(model, shape, lines)
            for _ in range(count)
        ]
        self.pool = DecoderPool([Decoder(item, self._rules) for item in sets], self._threads)
        return self.pool

    def _stop_ids(self) -> frozenset[int]:
        """Return the tokens that end a row where the model's own generation config says so.

        Raises:
            EvaluationError: upstream's text would hold such a token, which is left out here.
        """
        stop_ids = self.base.stop_ids
        if shown := sorted(stop_ids - set(self.base.tokenizer.all_special_ids)):
            raise EvaluationError(
                f"the generation config ends with the tokens {shown}, which the tokenizer does not"
                " call special: an output would show them; publish a revision that calls them so"
            )
        return stop_ids

    def _settled(self, plan: RowPlan, ids: Sequence[int]) -> bool:
        # After the first token the whole text is always looked at: the prompt itself may hold what
        # settles it, and no tail of new tokens would show that.
        if len(ids) > 1 and not self.protocol.hint(self._text(ids[-TAIL_TOKENS:])):
            return False
        return self.protocol.settled(plan.task, self._text([*plan.ids, *ids]))

    def _count_on(self, ids: Sequence[int]) -> list[int]:
        tail = self._text(ids[-COUNTED_TOKENS:])
        ahead = count_on(tail, COUNTED_CHARACTERS)
        if not ahead:
            return []
        # Encoded together: a tokenizer may begin a text otherwise than it goes on.
        before, whole = (self._encode(text) for text in (tail, tail + ahead))
        return whole[len(before) :] if whole[: len(before)] == before else []

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.base.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self.base.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


def load_engine(
    model_dir: Path,
    adapter_dir: Path | None,
    protocol: BoardProtocol,
    rows: int,
    device: str,
    threads: int,
    trust_remote_code: bool = False,
    noted: bool = False,
) -> Engine:
    """Load a base model, merge an adapter into it and return the engine.

    Args:
        model_dir: the base model's folder.
        adapter_dir: the adapter's folder, in peft's format; None: the base model alone.
        protocol: the board's.
        rows: how many rows the evaluation has, done or not.
        device: `cpu` or `cuda`.
        threads: processors to use, from 1.
        trust_remote_code: whether code in the model's folder may run.
        noted: whether the record says that the model asks for something else than greedy decoding.

    Raises:
        EvaluationError: the model cannot be evaluated, or the adapter does not fit it.
    """
    if device == "cuda":
        # TF32 would round what the protocol computes in float32.
        torch.backends.cuda.matmul.allow_tf32 = False
    decoding = protocol.decoding
    told_greedy = decoding.max_length_tokens is None
    base = load_base(model_dir, device, decoding.seed, trust_remote_code, told_greedy, noted)
    if adapter_dir is not None:
        merge_adapter(base, adapter_dir)
    return Engine(base, protocol, rows, threads)
