"""Completions drawn as upstream's harness draws them: the same random numbers, the same texts.

The numbers are seeded once for each set, and every step of every problem uses some, so problems are
drawn in their order, one at a time. All completions of a problem are drawn to their end though only
the first is kept: how many steps the longest takes decides the numbers that the next problem gets.

transformers' `generate` does the drawing, so whatever else a model's generation config asks for
(penalties, a list of end tokens) is followed as upstream follows it. On a CPU three parts of it are
exchanged for faster ones that give the same numbers: the cache grows in place, the nucleus is found
without sorting a vocabulary, and a stop word is looked for in the last tokens alone.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.boards.protocol import BoardProtocol, ProgramForm, Sampling
from harness.boards.protocols.programs import until_stop
from harness.errors import EvaluationError
from harness.evaluation.model.base_model import Base, load_base
from harness.evaluation.model.merged_adapter import merge_adapter
from harness.evaluation.sampling.growing_cache import growing_cache
from harness.evaluation.sampling.nucleus import nucleus
from harness.evaluation.sampling.stop_words import EveryCompletionStopped

SMOKE_LENGTH_TOKENS = 96
"""Prompt and completion of a smoke run's problem; an official one has 1,024 or 2,048."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The completion of one problem."""

    row: int
    completion: str
    """As it is kept: cut at the first stop word."""
    stopped: bool
    """Whether it held a stop word; else it ended at the greatest length, or was drawn on for other
    completions' sake."""
    steps: int
    """Tokens of the longest completion of the problem, each drawn with random numbers."""
    random: str
    """State of the random numbers after the problem, in base64."""


class Sampler:
    """A base model with its adapter merged, in float32, and the random numbers of a set."""

    def __init__(self, base: Base, sampling: Sampling, smoke: bool) -> None:
        """Take what is drawn from, and how.

        Args:
            base: model and tokenizer; the tokenizer's padding and truncation are set as upstream
                sets them.
            sampling: the board's.
            smoke: draw `SMOKE_LENGTH_TOKENS` of each problem at most.
        """
        self.base, self.sampling, self._smoke = base, sampling, smoke
        self.device = next(base.model.parameters()).device
        tokenizer = base.tokenizer
        tokenizer.padding_side, tokenizer.truncation_side = "right", "left"
        tokenizer.pad_token = tokenizer.eos_token

    def draw(
        self, task: str, prompts: Sequence[str], first: int = 0, random: str = ""
    ) -> Iterator[Drawn]:
        """Yield the completion of each problem of a set from number `first` on, in order.

        Args:
            task: evaluation set.
            prompts: of all its problems.
            first: number of the first problem that is still to be drawn.
            random: state of the random numbers after the problem before it.

        Raises:
            EvaluationError: that state is not one of this machine's generator.
        """
        form = self.sampling.forms[task]
        if self._smoke:
            form = form.with_values(max_length_tokens=SMOKE_LENGTH_TOKENS)
        if first:
            self._restore(random)
        else:
            self._seed()
        for row in range(first, len(prompts)):
            yield self._complete(row, prompts[row], form)

    def _complete(self, row: int, prompt: str, form: ProgramForm) -> Drawn:
        tokenizer, length = self.base.tokenizer, form.max_length_tokens
        ids = tokenizer(prompt, truncation=True, max_length=length)["input_ids"]
        stop_words = (*form.stop_words, tokenizer.eos_token)
        drawn = torch.tensor([ids], device=self.device)
        if len(ids) < length:  # else upstream keeps the prompt alone
            drawn = self._generate(drawn, length, stop_words)
        kept = drawn[0].tolist()
        if kept[0] == tokenizer.bos_token_id:
            kept = kept[1:]
        text = tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        # By characters: where a tokenizer does not give the prompt back, upstream's cut moves too.
        whole = text[len(prompt) :]
        completion = until_stop(whole, stop_words)
        return Drawn(
            row=row,
            completion=completion,
            stopped=completion != whole,
            steps=drawn.shape[1] - len(ids),
            random=base64.b64encode(bytes(self._state().tolist())).decode(),
        )

    def _generate(self, ids: torch.Tensor, length: int, stop_words: Sequence[str]) -> torch.Tensor:
        """Return prompt and completions, int64 (samples, tokens)."""
        from transformers import StoppingCriteriaList

        sampling, prompt_tokens = self.sampling, ids.shape[1]
        stop = EveryCompletionStopped(self.base.tokenizer, prompt_tokens, stop_words)
        settings: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if self.device.type == "cpu":
            settings = nucleus(self.base.model, **settings)
            settings |= growing_cache(self.base.model)
        drawn: torch.Tensor = self.base.model.generate(
            input_ids=ids,
            num_return_sequences=sampling.samples,
            do_sample=True,
            top_k=0,
            max_length=length,
            stopping_criteria=StoppingCriteriaList([stop]),
            **settings,
        )
        return drawn

    def _seed(self) -> None:
        torch.manual_seed(self.sampling.seed)
        # Upstream's loader of prompts takes one number when it starts.
        torch.empty((), dtype=torch.int64).random_()

    def _state(self) -> torch.Tensor:
        """Return the state of the generator that draws, uint8."""
        return torch.cuda.get_rng_state() if self.device.type == "cuda" else torch.get_rng_state()

    def _restore(self, random: str) -> None:
        try:
            state = torch.tensor(list(base64.b64decode(random)), dtype=torch.uint8)
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(state)
            else:
                torch.set_rng_state(state)
        except (ValueError, RuntimeError, TypeError) as error:
            raise EvaluationError(
                f"the kept random numbers are no state of this generator ({error}); remove the"
                " generations folder of the run and evaluate again"
            ) from None


def load_sampler(
    model_dir: Path,
    adapter_dir: Path | None,
    protocol: BoardProtocol,
    device: str,
    trust_remote_code: bool = False,
    smoke: bool = False,
) -> Sampler:
    """Load a base model in float32, merge an adapter into it and return what draws from it.

    Args:
        model_dir: the base model's folder.
        adapter_dir: the adapter's folder, in peft's format; None: the base model alone.
        protocol: the board's.
        device: `cpu` or `cuda`.
        trust_remote_code: whether code in the model's folder may run.
        smoke: whether problems are short.

    Raises:
        EvaluationError: the model cannot be evaluated, or the adapter does not fit it.
    """
    sampling = protocol.decoding.sampling
    assert sampling is not None
    if device == "cuda":
        # TF32 would round what the protocol computes in float32.
        torch.backends.cuda.matmul.allow_tf32 = False
    base = load_base(
        model_dir, device, sampling.seed, trust_remote_code, noted=True, quantized=False
    )
    if adapter_dir is not None:
        merge_adapter(base, adapter_dir)
    return Sampler(base, sampling, smoke)
