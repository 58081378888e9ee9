"""`.eval_results/*.yaml`: scores as the hub shows them on a model's page and a data set's board.

Source: the types of `huggingface_hub`, and https://huggingface.co/docs/hub/eval-results.
"""

from __future__ import annotations

import re

from harness import __version__
from harness.boards.challenge import Challenge
from harness.record.result import ResultRecord

FOLDER = ".eval_results"
COMMIT = re.compile(r"[0-9a-f]{40}")


def eval_results(record: ResultRecord, challenge: Challenge, address: str) -> dict[str, bytes]:
    """Return one file for each evaluation set with its official score.

    The value is the fraction that the record holds, not a percentage. A second measure of the same
    rows would stand beside the official one without a name of its own, so it is left to the record.

    Args:
        record: a run over whole evaluation sets.
        challenge: its rules, which name the data sets.
        address: https:// address of the repository, where the record lies.

    Returns:
        Name in the repository -> YAML.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    revisions = {item.name: item.revision for item in record.data if item.kind == "evaluation"}
    files = {}
    for score in record.scores:
        if score.metric != "accuracy":
            continue
        item = challenge.evaluation_set(score.task)
        revision = revisions.get(challenge.record_name(item), "")
        entry = EvalResultEntry(
            dataset_id=item.dataset,
            task_id=item.task,
            value=score.value,
            dataset_revision=revision if COMMIT.fullmatch(revision) else None,
            date=record.created,
            source_url=address,
            source_name="flowertune-harness",
            notes=(
                f"{score.correct} of {score.examples} rows, FlowerTune {challenge.id}, protocol"
                f" {score.protocol}, flowertune-harness {__version__}"
            ),
        )
        text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False)
        files[f"{FOLDER}/{item.task}.yaml"] = text.encode()
    return files
