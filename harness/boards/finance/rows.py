"""The official rows of the finance sets, built from their pinned files as upstream builds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.boards.challenge import EvaluationSet, LabelSet
from harness.boards.rows import Row
from harness.errors import EvaluationError

if TYPE_CHECKING:
    import pandas

PROMPT = "Instruction: {instruction}\nInput: {text}\nAnswer: "
"""Source: upstream `format_example`. The trailing space is part of it."""

SPLIT_SEED = 42
SPLIT_SHARE = 0.25
"""Source: upstream `load_data`, `train_test_split(0.25, seed=42)["test"]`."""

NEGATIVE_BELOW = -0.1
NEUTRAL_BELOW = 0.1
"""Scores of FiQA become labels at these. Source: upstream `generate_label`."""

Cells = tuple[str, str, str]
"""(sentence, label, tag): the tag is news or tweet."""


def make_row(instruction: str, text: str, label: str, tag: str) -> Row:
    """Return the row of one sentence as upstream prompts for it.

    An empty sentence leaves the input line out, as upstream does.

    Args:
        instruction: the challenge's; `{tag}` stands for the tag.
        text: the sentence.
        label: the right label.
        tag: "news" or "tweet", as the instruction calls the sentence.
    """
    asked = instruction.format(tag=tag)
    prompt = PROMPT if text else PROMPT.replace("Input: {text}\n", "")
    return Row(prompt.format(instruction=asked, text=text), label)


def sentence_of(prompt: str) -> str:
    """Return the sentence that a prompt of `make_row` asks about."""
    return prompt.partition("\nInput: ")[2].rpartition("\nAnswer: ")[0]


def read_cells(item: LabelSet, files: Sequence[Path]) -> tuple[list[Cells], list[Cells]]:
    """Return the rows of an evaluation set, and all rows that they were drawn from.

    Args:
        item: the set: its labels and its split.
        files: its files in the challenge's order.

    Raises:
        EvaluationError: a file cannot be read, or is of another set.
    """
    try:
        source = [_cells(item, values) for values in _table(item, files).to_dict("records")]
    except KeyError as error:
        raise EvaluationError(
            f"{', '.join(path.name for path in files)}: no column {error}; expected the files of"
            f" {item.dataset}: are they of another set?"
        ) from None
    places = _test_quarter(len(source)) if item.split == "test-quarter" else range(len(source))
    return [source[place] for place in places], source


def _table(item: EvaluationSet, files: Sequence[Path]) -> pandas.DataFrame:
    import pandas

    tables = []
    for path in files:
        try:
            tables.append(
                pandas.read_parquet(path) if path.suffix == ".parquet" else pandas.read_csv(path)
            )
        except (OSError, ValueError) as error:
            raise EvaluationError(
                f"{path}: cannot be read ({error}); fetch {item.dataset} again"
            ) from None
    return pandas.concat(tables, ignore_index=True)


def _cells(item: LabelSet, values: dict[Any, Any]) -> Cells:
    """Return sentence, label and tag of one row of the files."""
    if item.task == "fiqa":
        score = float(values["sentiment_score"])
        negative, neutral, positive = item.labels
        label = (
            negative if score < NEGATIVE_BELOW else neutral if score < NEUTRAL_BELOW else positive
        )
        return values["sentence"], label, "tweet" if values["format"] == "post" else "news"
    # `item.labels` is in the order of the file's own classes: TFNS has 0 negative, 1 positive.
    label = item.labels[int(values["label"])]
    return (
        (values["text"], label, "tweet")
        if item.task == "tfns"
        else (values["sentence"], label, "news")
    )


def _test_quarter(rows: int) -> list[int]:
    """Return the places of the test quarter, in its order.

    Done by `datasets` itself, as upstream does it, so that its rounding and shuffling are the same.
    """
    from datasets import Dataset

    places = Dataset.from_dict({"place": list(range(rows))})
    test = places.train_test_split(SPLIT_SHARE, seed=SPLIT_SEED)["test"]
    return [int(place) for place in test["place"]]
