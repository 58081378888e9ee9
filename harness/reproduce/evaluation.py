"""Evaluate a submitted adapter again and compare the answers: the rung `re-evaluated`.

Nothing is trained. The adapter's weights must be those of the record; base model and evaluation
sets come from this machine's sources and must be those that the record was made with.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from harness import run_directory
from harness.document import parse_document, read_json, sha256_file
from harness.document.reading import STRANGER, read_bytes
from harness.errors import RecordError, UsageError
from harness.evaluation.sealed.launch import evaluate_run
from harness.machine.versions import require_run_extra
from harness.record.about import About, HubAdapter
from harness.record.file_names import ABOUT, ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, MANIFEST
from harness.record.score import Score
from harness.reproduce.comparison import NO_SCORE, Comparison, Reproduction, compare_score
from harness.reproduce.original import read_original
from harness.reproduce.repeat import reproduction
from harness.reproduce.start import refuse_used
from harness.sources.adapters import locate_adapter
from harness.sources.assets import locate
from harness.verify.files.generations import parse_generations
from harness.verify.files.layout import MAX_BYTES, MAX_RUN_GENERATIONS_BYTES
from harness.verify.files.run_generations import parse_run_generations
from harness.verify.rules.evaluation.answers import source


def reevaluate(
    path: Path,
    work_dir: Path,
    adapter: Path | None = None,
    mirror: Path | None = None,
    quiet: bool = False,
    trust_remote_code: bool = False,
) -> Reproduction:
    """Evaluate again and compare every answer with the recorded one.

    Args:
        path: submission folder or run directory, or its result.json.
        work_dir: where the evaluation writes; new or empty.
        adapter: folder with the adapter's weights, where they do not lie beside the record.
        mirror: where models and data lie.
        quiet: print no progress.
        trust_remote_code: whether code out of the model's folder may run, if the record's did.

    Raises:
        UsageError: no result there, no weights, or `work_dir` is in use.
        RecordError: other weights or other data than the record's, or no recorded answers.
        HarnessError: what an evaluation raises.
    """
    require_run_extra()
    original = read_original(path)
    record = original.record
    if record is None:
        raise UsageError(f"{path}: no result.json; finish the run, or give a submission folder")
    original.refuse_unasked_code(trust_remote_code)
    refuse_used(work_dir)
    challenge = original.challenge()
    weights = find_weights(original.folder, record.adapter.sha256, adapter, mirror)
    before = {source(score): _labels(original.folder, score) for score in record.scores}
    assets = locate(original.spec, challenge, mirror)
    original.refuse_other_data(assets)
    (work_dir / ADAPTER).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, work_dir / ADAPTER / ADAPTER_WEIGHTS)
    # The configuration that was submitted, and checked, not the one that lies beside the weights.
    shutil.copyfile(original.folder / ADAPTER / ADAPTER_CONFIG, work_dir / ADAPTER / ADAPTER_CONFIG)
    run_directory.create(work_dir, original.spec, assets)
    evaluated = evaluate_run(
        work_dir,
        original.spec.compute.device,
        quiet=quiet,
        adapter_sha256=record.adapter.sha256,
        fresh=True,
    )
    again = evaluated.scores.scores
    items = [item for score in record.scores for item in _compare(score, again, work_dir, before)]
    return reproduction("re-evaluated", "the evaluation", original, challenge, items)


def find_weights(folder: Path, expected: str, chosen: Path | None, mirror: Path | None) -> Path:
    """Return the file of an adapter's weights: beside the record, or from where `about.json` says.

    Args:
        folder: submission folder or run directory.
        expected: digest that the weights must have.
        chosen: folder that the caller names, which is then the only one; or None.
        mirror: folder in which the hub's repositories are looked for first, or None.

    Raises:
        UsageError: they are nowhere, or the folder has no configuration for them.
        RecordError: weights with another digest.
        SourceError: none of the sources has the repository that is named.
    """
    path = (chosen or folder / ADAPTER) / ADAPTER_WEIGHTS
    if chosen is None and not path.is_file() and (hub := _on_the_hub(folder)) is not None:
        path = locate_adapter(hub.repository, hub.revision, mirror)
    if not path.is_file():
        raise UsageError(
            f"{path.parent}: no {ADAPTER_WEIGHTS}; fetch the adapter of sha256 {expected[:12]} and"
            " name its folder with --adapter"
        )
    if not (folder / ADAPTER / ADAPTER_CONFIG).is_file():
        raise UsageError(f"{folder}: no {ADAPTER}/{ADAPTER_CONFIG}; give the whole folder")
    found = sha256_file(path)
    if found != expected:
        raise RecordError(
            f"{path}: sha256 {found[:12]}, the record's adapter has {expected[:12]}; fetch that one"
        )
    return path


def _on_the_hub(folder: Path) -> HubAdapter | None:
    """Return the repository that a submission names; a stranger's file is read as one."""
    path = folder / ABOUT
    if not path.is_file():
        return None
    value = read_json(path, MAX_BYTES["about"], STRANGER)
    return parse_document(About, value, str(path)).adapter


def _labels(folder: Path, score: Score) -> Sequence[str]:
    """Return the recorded labels of a score, row by row, from a submission's or a run's file."""
    path = folder / "generations" / f"{source(score)}.jsonl"
    if not path.is_file():
        raise RecordError(f"{path}: not there; answers are compared row by row: give the folder")
    if (folder / MANIFEST).is_file():
        data = read_bytes(path, MAX_BYTES["generations"], STRANGER)
        return parse_generations(data, path.name).labels
    return _run_labels(path)


def _run_labels(path: Path) -> Sequence[str]:
    data = read_bytes(path, MAX_RUN_GENERATIONS_BYTES)
    return parse_run_generations(data, str(path)).labels


def _compare(
    score: Score, again: Sequence[Score], work_dir: Path, before: dict[str, Sequence[str]]
) -> list[Comparison]:
    found = compare_score(score, again)
    if found.found == NO_SCORE:
        return [found]
    old = before[source(score)]
    path = work_dir / "generations" / f"{source(score)}.jsonl"
    new = _run_labels(path)
    differing = [row for row, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]]
    places = f"; first row {differing[0]}" if differing else ""
    same = f"{len(old) - len(differing)} of {len(old)} rows{places}"
    labels = Comparison.of(f"{found.what} labels", same, f"{len(old)} of {len(old)} rows")
    return [found, labels]
