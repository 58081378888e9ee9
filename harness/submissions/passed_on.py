"""What of a run's answers is passed on.

The evaluation sets' licences do not let their text be passed on, so generations are written without
prompts: each line names its row by digest. That changes the digest of the file, which is why the
submitted record names other `generations_sha256` than the run's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from harness.boards.protocol import BoardProtocol
from harness.document import sha256_text
from harness.verify.files.generations import Generations, generation_lines
from harness.verify.rules.evaluation.answers import source, task_of
from harness.verify.submission import Submission

REPEATED = "[the row's sentence]"
SHORT_PASSAGE = 16
"""Characters; a shorter text may be repeated by chance."""


def texts_without_prompts(submission: Submission) -> dict[str, str]:
    """Return name -> the text of each generations file as it may be passed on."""
    return {
        name: generation_lines(
            _rows_of(_without_prompts(item, task_of(name), submission.protocol)),
            item.loglikelihoods is not None,
        )
        for name, item in submission.generations.items()
    }


def record_of_texts(submission: Submission, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the record's value with the digests of the generations as they are submitted.

    Everything else stays as it stands in the file: its digests were taken over that.
    """
    value = copy.deepcopy(dict(submission.raw))
    for raw, score in zip(value["scores"], submission.record.scores, strict=True):
        raw["generations_sha256"] = sha256_text(texts[source(score)])
    return value


def _without_prompts(item: Generations, task: str, protocol: BoardProtocol) -> Generations:
    """Return generations whose outputs do not repeat what their prompts may not pass on.

    A model sometimes writes the prompt's sentence again. It becomes `REPEATED` where the reading
    stays what it is; where the sentence itself decides the reading, only the answer is left. With
    the sentence "Positive surprise at Alder Bank ." and the output

        "negative. Input: Positive surprise at Alder Bank ."

    the answer is positive, because the word stands in the repeated sentence; without the sentence
    it would be negative. So the output becomes "positive".

    Args:
        item: the generations of a run.
        task: the evaluation set that they are of.
        protocol: the board's: which passages of a prompt those are.
    """
    if item.loglikelihoods is not None:
        return replace(item, prompts=None)
    outputs = []
    rows = zip(item.prompts or (), item.targets, item.outputs, strict=True)
    for prompt, target, output in rows:
        clean = output
        if output is not None:
            passages = protocol.passages(prompt)
            clean = _without_passages(protocol, task, passages, target, output)
        outputs.append(clean)
    return replace(item, outputs=tuple(outputs), prompts=None)


def _without_passages(
    protocol: BoardProtocol, task: str, passages: Iterable[str], target: str, output: str
) -> str:
    """Return an output without the passages of its prompt.

    Args:
        protocol: the board's.
        task: evaluation set.
        passages: what may not be passed on.
        target: the row's right answer.
        output: as the run kept it.
    """
    clean = output
    for passage in passages:
        if len(passage) >= SHORT_PASSAGE:
            clean = clean.replace(passage, REPEATED)
    if clean == output or not protocol.rederivable:
        return clean
    before, after = (protocol.read(task, text, target) for text in (output, clean))
    return clean if after.answer == before.answer else before.answer


def _rows_of(item: Generations) -> list[tuple[str, str, str, Any]]:
    """Return (row, target, label, output or loglikelihoods) of each row."""
    last: tuple[Any, ...] = item.outputs
    if item.loglikelihoods is not None:
        last = tuple(list(numbers) for numbers in item.loglikelihoods)
    return list(zip(item.rows, item.targets, item.labels, last, strict=True))
