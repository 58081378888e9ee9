"""How much of an evaluation's work each row is, so that the time left can be told."""

from __future__ import annotations

from collections.abc import Sequence

from harness.progress import Meter

ANSWER_TOKENS = 4
"""What a row's answer adds to the tokens of its prompt, for the time that is left: a label or two.
How long a model talks is not known before."""

PACE_FROM = 0.01
"""Share of the rows' work before which no time left is told: of a pass of many rows one comes
first, and its pace is nobody's."""


def row_meter(title: str, prompts: Sequence[Sequence[int]], quiet: bool) -> tuple[Meter, list[int]]:
    """Return a meter of rows, and the work of each, by which it is advanced.

    A row's part of the work is what is computed for it: of a passage that several rows ask about,
    one has all of it.

    Args:
        title: what the rows get.
        prompts: their tokens.
        quiet: print no progress.
    """
    from harness.evaluation.decoder.working_set import distinct_tokens

    work = [count + ANSWER_TOKENS for count in distinct_tokens(prompts)]
    return Meter(title, len(prompts), "rows", quiet, sum(work), PACE_FROM), work
