"""The evaluation sets' files: found, and equal to the challenge's digests or refused."""

from __future__ import annotations

from pathlib import Path

from harness.boards.challenge import EvaluationSet
from harness.document.file_digests import sha256_file, sha256_of_set
from harness.errors import SourceError
from harness.record.data import DataRecord
from harness.sources.lookup import find


def locate_evaluation_set(
    item: EvaluationSet, mirror: Path | None, offline: bool
) -> tuple[tuple[Path, ...], DataRecord]:
    """Find the files of one evaluation set.

    A file with another digest is refused: a score on other rows is not the official one.

    Returns:
        The files in the challenge's order, and their record.

    Raises:
        SourceError: they are nowhere, or a file is not the pinned one.
    """

    def missing(folder: Path) -> str:
        lack = [name for name in item.files if not (folder / name).is_file()]
        return f"no {', '.join(lack)}" if lack else ""

    found = find("dataset", item.dataset, "main", item.files, missing, mirror, offline)
    paths = tuple(found.folder / name for name in item.files)
    files: dict[str, str] = {}
    for name, path, expected in zip(item.files, paths, item.sha256, strict=True):
        files[name] = sha256_file(path)
        if files[name] != expected:
            raise SourceError(
                f"{path}: sha256 {files[name][:16]}, the challenge pins {expected[:16]} for"
                f" {item.task}; fetch {item.dataset} again: a score on other rows is not comparable"
            )
    record = DataRecord(
        name=item.dataset,
        kind="evaluation",
        source=found.source,
        revision=found.revision,
        rows=item.rows,
        sha256=next(iter(files.values())) if len(files) == 1 else sha256_of_set(files),
        files=files,
    )
    return paths, record
