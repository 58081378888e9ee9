"""Rules on outputs: what their text rules out, whatever reading or running them would say."""

from __future__ import annotations

from collections.abc import Iterator

from harness.verify.independent.known_models import known_model
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

LONGEST_TOKEN = 256
"""Characters of a token, generously: the longest of the vocabularies of Llama 3 and Qwen, 128
spaces, twice."""


def kept_as_drawn(submission: Submission) -> Iterator[Breach]:
    """A completion ends before the first stop word, and one of nothing passes no test."""
    sampling = submission.protocol.decoding.sampling
    if sampling is None:
        return
    for task, generations in submission.generations.items():
        form = sampling.forms.get(task)
        if form is None:
            continue
        right = submission.protocol.targets(task)
        for row, output in enumerate(generations.outputs):
            place, label = f"{task} row {row}", generations.labels[row]
            if output is None:
                yield f"{place}: output", "null", "the completion that was executed"
                continue
            word = next((word for word in form.stop_words if word in output), None)
            if word is not None:
                yield f"{place}: output", f"the stop word {word!r} in it", "a text that ends there"
            elif not output.strip() and label in right:
                yield f"{place}: label", f"{label}, without a completion", "no test passes so"


def as_many_tokens_as_the_answer(submission: Submission) -> Iterator[Breach]:
    """An output has the tokens of a right answer alone, where prompts are decoded by themselves.

    No tokenizer makes more tokens of a text than it has bytes, and one before it. In the
    vocabularies of the known models no token goes on behind a space.
    """
    decoding = submission.protocol.decoding
    if decoding.max_length_tokens is not None or decoding.sampling is not None:
        return
    words_are_tokens = known_model(submission.record.spec.model.hub_id) is not None
    for task, generations in submission.generations.items():
        if generations.loglikelihoods is not None or submission.record.spec.smoke:
            continue
        written = map(submission.protocol.written, submission.protocol.targets(task))
        most = max(len(text.encode()) for text in written) + 1
        wrong = {
            output: told
            for _, _, output in generations.counts
            if output is not None and (told := _too_long(output, most, words_are_tokens))
        }
        for row, output in enumerate(generations.outputs) if wrong else ():
            if output in wrong:
                yield f"{task} row {row}: output", wrong[output], f"at most {most:,} tokens"


def _too_long(output: str, most: int, words_are_tokens: bool) -> str:
    """Say how long an output is where it has more than `most` tokens."""
    words = len(output.split())
    if words_are_tokens and words > most:
        return f"{words} words"
    longest = LONGEST_TOKEN * most
    return f"{len(output):,} characters" if len(output) > longest else ""


RULES = (
    Rule("completions", "Completions end at the first stop word, and an empty one passes nothing",
         "bigcode_eval/base.py, _stop_at_stop_token; every set's empty completions were executed",
         kept_as_drawn, file="generations"),
    Rule("output-length", "An output has no more tokens than the evaluation lets a model write",
         "upstream evaluation, benchmarks.py inference: max_new_tokens",
         as_many_tokens_as_the_answer, file="generations"),
)  # fmt: skip
