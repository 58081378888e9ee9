"""Rules on completions of programs: what their text rules out, whatever running them would say."""

from __future__ import annotations

from collections.abc import Iterator

from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission


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


RULES = (
    Rule("completions", "Completions end at the first stop word, and an empty one passes nothing",
         "bigcode_eval/base.py, _stop_at_stop_token; every set's empty completions were executed",
         kept_as_drawn, file="generations"),
)  # fmt: skip
