"""The tasks that lm-eval runs: made of the board, its rows loaded once for each set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.boards.protocol import OFFICIAL_TASK, SECOND_TASK, BoardProtocol
from harness.boards.rows import OfficialSet

if TYPE_CHECKING:
    from datasets import Dataset

OFFICIAL_VERSION = "1.0"
"""Version of the official task in lm-eval's results."""


def task_configs(protocol: BoardProtocol, sets: Mapping[str, OfficialSet]) -> list[dict[str, Any]]:
    """Return the configurations of a board's tasks, two a set where there is a second measure.

    Args:
        protocol: the board's.
        sets: task -> its rows.
    """
    configs = []
    for task, official in sets.items():
        rows = _dataset(protocol, official)
        configs.append(_official(protocol, task, rows))
        if protocol.second is not None:
            configs.append(
                _config(SECOND_TASK.format(task=task), protocol.second.version, rows)
                | {
                    "output_type": "multiple_choice",
                    "doc_to_text": "{{question}}",
                    "doc_to_choice": list(map(protocol.written, protocol.second.answers[task])),
                    "doc_to_target": "{{written}}",
                    "target_delimiter": " " if protocol.second.space else "",
                }
            )
    return configs


def _official(protocol: BoardProtocol, task: str, rows: Dataset) -> dict[str, Any]:
    def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
        if not protocol.rederivable:  # the result is the verdict on the output
            return {"acc": float(results[0] == doc["target"])}
        return {"acc": float(protocol.read(task, results[0], doc["target"]).correct)}

    return _config(OFFICIAL_TASK.format(task=task), OFFICIAL_VERSION, rows) | {
        "output_type": "generate_until",
        "doc_to_text": "{{context}}",
        "doc_to_target": "{{target}}",
        "generation_kwargs": {"until": [], "do_sample": False},
        "process_results": process_results,
    }


def _config(name: str, version: str, rows: Dataset) -> dict[str, Any]:
    def dataset(**_: Any) -> dict[str, Dataset]:
        return {"test": rows}

    return {
        "task": name,
        "custom_dataset": dataset,
        "test_split": "test",
        "num_fewshot": 0,
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": version},
    }


def _dataset(protocol: BoardProtocol, official: OfficialSet) -> Dataset:
    from datasets import Dataset

    rows = official.rows
    second = protocol.second is not None
    return Dataset.from_dict(
        {
            "row": list(range(len(rows))),
            "task": [official.task] * len(rows),
            "context": [row.context for row in rows],
            "question": [protocol.question(row.context) if second else "" for row in rows],
            "target": [row.target for row in rows],
            "written": [protocol.written(row.target) for row in rows],
        }
    )
