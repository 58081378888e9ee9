"""What the task files in `tasks/` call: rows for lm-eval, and the official reading of a text.

The tasks also run under lm-eval's own command line, with `--include_path` and a mirror of the data
in `HARNESS_MIRROR`; only this harness's LM decodes them as upstream does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.boards.challenge import load_challenge
from harness.boards.protocols.labels import answer_of, label_of
from harness.evaluation.lm_eval_bridge.official_rows import OfficialSet, load_official, load_smoke

if TYPE_CHECKING:
    from datasets import Dataset

TASK_FOLDER = Path(__file__).parent / "tasks"
OFFICIAL = "flowertune_{task}"
LOGLIKELIHOOD = "flowertune_{task}_loglikelihood"


def dataset(
    task: str,
    challenge: str = "finance",
    files: Mapping[str, Sequence[str]] | None = None,
    smoke: bool = False,
    **_: Any,
) -> dict[str, Dataset]:
    """Return the rows of one evaluation set in the form that lm-eval asks for.

    Args:
        task: evaluation set; from the task file.
        challenge: whose set.
        files: task -> paths of its files; looked for in mirror, cache and hub when not given.
        smoke: synthetic rows instead.

    Raises:
        EvaluationError: the files do not give the official rows.
        SourceError: no files are given and none are found.
    """
    from datasets import Dataset

    official = official_set(task, challenge, files, smoke)
    rows = official.rows
    marker = load_challenge(challenge).protocol.answer_marker
    return {
        "test": Dataset.from_dict(
            {
                "row": list(range(len(rows))),
                "task": [task] * len(rows),
                "context": [row.context for row in rows],
                # The marker's space belongs to the label here, so that labels are whole tokens.
                "question": [row.context.removesuffix(marker) + marker.rstrip() for row in rows],
                "target": [row.target for row in rows],
            }
        )
    }


def official_set(
    task: str, challenge: str, files: Mapping[str, Sequence[str]] | None, smoke: bool
) -> OfficialSet:
    """Return the rows of one evaluation set; see `dataset`."""
    rules = load_challenge(challenge)
    if smoke:
        return load_smoke(rules, task)
    if files is None:
        from harness.sources.evaluation_sets import locate_evaluation_set
        from harness.sources.lookup import mirror_folder

        item = rules.evaluation_set(task)
        paths, _ = locate_evaluation_set(item, mirror_folder(None), offline=False)
        return load_official(rules, task, paths)
    return load_official(rules, task, [Path(each) for each in files[task]])


def official_accuracy(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Return whether a text gives the right label: `acc`, 0 or 1.

    Args:
        doc: a row of `dataset`.
        results: one item, the text after the prompt's first marker.
    """
    marker = "Answer: "
    label = label_of(answer_of(marker + results[0], marker))
    return {"acc": float(label == doc["target"])}
