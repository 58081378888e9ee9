"""Generation files of a run directory: the harness's own form, prompts included."""

# Two measures share the form: generated text, and log-likelihoods of the labels.

from __future__ import annotations

from harness.boards.published_files import parse_lines
from harness.boards.rows import Row, row_digest
from harness.document import parse_json
from harness.document.reading import decode
from harness.errors import RecordError
from harness.verify.files.generations import Generations


def parse_run_generations(data: bytes, name: str) -> Generations:
    """Parse a run directory's generations file.

    Raises:
        RecordError: not readable.
        EvaluationError: a line lacks a field.
    """
    text = decode(data, name)
    lines = parse_lines(text, name)
    second = name.endswith(".loglikelihood.jsonl")
    return Generations(
        rows=tuple(row_digest(Row(item.prompt, item.target)) for item in lines),
        targets=tuple(item.target for item in lines),
        labels=tuple(item.stated or "" for item in lines),
        outputs=tuple(None if second else item.output for item in lines),
        loglikelihoods=_loglikelihoods(text, name) if second else None,
        prompts=tuple(item.prompt for item in lines),
    )


def _loglikelihoods(text: str, name: str) -> tuple[tuple[float, ...], ...]:
    rows = []
    # A prompt may hold what Unicode counts as an end of line: one of MMLU's holds U+0085.
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        value = parse_json(line, f"{name} line {number}")
        found = value.get("loglikelihoods") if isinstance(value, dict) else None
        if not isinstance(found, list) or not all(type(item) is float for item in found):
            raise RecordError(f"{name} line {number}: no loglikelihoods; expected numbers")
        rows.append(tuple(found))
    return tuple(rows)
