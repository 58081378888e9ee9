"""The official rows of an evaluation set, built from its pinned files as upstream builds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.boards.challenge import Challenge, EvaluationSet
from harness.boards.rows import Row, check_rows, make_row
from harness.errors import EvaluationError
from harness.planning.smoke import evaluation_rows
from harness.scoring.leak import Example

if TYPE_CHECKING:
    import pandas

SPLIT_SEED = 42
SPLIT_SHARE = 0.25
"""Source: upstream `load_data`, `train_test_split(0.25, seed=42)["test"]`."""

NEGATIVE_BELOW = -0.1
NEUTRAL_BELOW = 0.1
"""FiQA's scores become labels at these. Source: upstream `generate_label`."""


@dataclass(frozen=True, slots=True)
class OfficialSet:
    """One evaluation set, ready to be prompted for."""

    task: str
    rows: tuple[Row, ...]
    examples: tuple[Example, ...]
    """(sentence, label) of each row."""
    source: tuple[Example, ...]
    """(sentence, label) of all rows that the set was drawn from."""


def load_official(challenge: Challenge, task: str, files: Sequence[Path]) -> OfficialSet:
    """Build the official rows of `task` from its files and check them against the pins.

    Args:
        challenge: the protocol and the pins.
        task: evaluation set.
        files: the files of the set in the challenge's order.

    Raises:
        EvaluationError: the files do not give the pinned rows, or the task cannot be built.
    """
    item = challenge.evaluation_set(task)
    table = _read(item, files)
    cells = [_cells(item, values) for values in table.to_dict("records")]
    chosen = _split(len(cells)) if item.split == "test-quarter" else range(len(cells))
    official = _official(challenge, task, [cells[place] for place in chosen], cells)
    check_rows(challenge, task, official.rows, ", ".join(path.name for path in files))
    return official


def load_smoke(challenge: Challenge, task: str) -> OfficialSet:
    """Return the synthetic rows that stand for `task` in a smoke run."""
    cells = [(text, label, "news") for text, label in evaluation_rows(task)]
    return _official(challenge, task, cells, cells)


def _official(
    challenge: Challenge,
    task: str,
    cells: Sequence[tuple[str, str, str]],
    source: Sequence[tuple[str, str, str]],
) -> OfficialSet:
    return OfficialSet(
        task=task,
        rows=tuple(make_row(challenge, text, label, tag) for text, label, tag in cells),
        examples=tuple((text, label) for text, label, _ in cells),
        source=tuple((text, label) for text, label, _ in source),
    )


def _read(item: EvaluationSet, files: Sequence[Path]) -> pandas.DataFrame:
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


def _cells(item: EvaluationSet, values: dict[Any, Any]) -> tuple[str, str, str]:
    """Return sentence, label and tag of one row of the files."""
    if item.task == "fiqa":
        score = float(values["sentiment_score"])
        negative, neutral, positive = item.labels
        label = (
            negative if score < NEGATIVE_BELOW else neutral if score < NEUTRAL_BELOW else positive
        )
        return values["sentence"], label, "tweet" if values["format"] == "post" else "news"
    label = item.labels[int(values["label"])]
    if item.task == "fpb":
        return values["sentence"], label, "news"
    if item.task == "tfns":
        return values["text"], label, "tweet"
    raise EvaluationError(f"no rows are known for task {item.task!r}; this harness knows finance's")


def _split(rows: int) -> list[int]:
    """Return the places of the test quarter, in its order.

    Done by `datasets` itself, as upstream does it, so that its rounding and shuffling are the same.
    """
    from datasets import Dataset

    places = Dataset.from_dict({"place": list(range(rows))})
    test = places.train_test_split(SPLIT_SHARE, seed=SPLIT_SEED)["test"]
    return [int(place) for place in test["place"]]
