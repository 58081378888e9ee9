"""Other forms of a run's model, made, and held against the record's labels before they go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.document import Document, pretty_json
from harness.evaluation.evaluated_run import EvaluatedRun, read_run
from harness.evaluation.inputs import refuse_other_inputs
from harness.kernel.allowance import cores
from harness.progress import Meter
from harness.publishing.gguf_file import Kind, write_gguf
from harness.publishing.merged_model import write_merged
from harness.publishing.same_labels import (
    Answers,
    LabelCheck,
    asked_rows,
    check_labels,
    gguf_answers,
    llama_cpp,
    merged_answers,
)
from harness.record.file_names import RESULT
from harness.record.result import read_result

MERGED, GGUF = "merged", "gguf"
"""Folders of a run directory, and of a repository."""
CHECKS = "same_labels.json"


class LabelChecks(Document):
    """`same_labels.json`: what was found of each form."""

    forms: tuple[LabelCheck, ...]


@dataclass(frozen=True, slots=True)
class ModelForms:
    """Other forms of a run's model."""

    files: dict[str, Path | bytes]
    """Name in the repository -> a file, or what it holds."""
    checks: tuple[LabelCheck, ...]


def model_forms(run_dir: Path, merged: bool, kinds: Sequence[Kind], rows: int) -> ModelForms:
    """Write other forms of a run's model into its directory, and compare their labels.

    Args:
        run_dir: a finished run.
        merged: whether the merged safetensors model is asked for.
        kinds: GGUF files that are asked for.
        rows: how many rows of the evaluation sets each form answers.

    Raises:
        UsageError: generations are missing, or the model cannot be written as GGUF.
        MissingExtraError: a GGUF file is asked for and llama.cpp is not installed.
        EvaluationError: adapter, model or data are not those of the record.
    """
    if kinds:
        llama_cpp()
    run = read_run(run_dir, "cpu", untrained=False)
    record = read_result(run_dir / RESULT)
    refuse_other_inputs(run.spec, run.challenge, run.assets, run.adapter_dir, record.adapter.sha256)
    folder = run_dir / MERGED
    write_merged(run, folder)
    count = cores()
    files: dict[str, Path | bytes] = {}
    checks = []
    if merged:
        files |= {f"{MERGED}/{path.name}": path for path in sorted(folder.iterdir())}
        answers = merged_answers(run, folder, count)
        checks.append(_checked(run, "merged safetensors, float32", answers, rows))
    for kind in kinds:
        file = run_dir / GGUF / f"{record.spec.model.name}-{record.spec_digest[:8]}-{kind}.gguf"
        write_gguf(folder, file, kind, record.spec.model.name)
        answers = gguf_answers(run, file, tokenizer_of(folder), count)
        checks.append(_checked(run, f"GGUF {kind}, llama.cpp", answers, rows))
        files[f"{GGUF}/{file.name}"] = file
    found = LabelChecks(forms=tuple(checks))
    files[CHECKS] = pretty_json(found.model_dump(mode="json")).encode()
    return ModelForms(files, found.forms)


def tokenizer_of(folder: Path) -> Any:
    """Return the tokenizer of a merged model."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def _checked(run: EvaluatedRun, form: str, answers: Answers, rows: int) -> LabelCheck:
    asked = asked_rows(run, tokenizer_of(run.run_dir / MERGED), rows)
    meter = Meter(form, len(asked), "rows")
    return check_labels(run, asked, form, answers, meter.advance)
