"""The evaluation sets' files: found, and equal to the challenge's digests or refused."""

from __future__ import annotations

from pathlib import Path

from harness.boards.challenge import Challenge
from harness.boards.registry import protocol_of
from harness.document.file_digests import sha256_file, sha256_of_set
from harness.errors import SourceError
from harness.record.data import DataRecord
from harness.sources.lookup import find


def locate_evaluation_set(
    challenge: Challenge, task: str, mirror: Path | None
) -> tuple[tuple[Path, ...], DataRecord]:
    """Find the files of one evaluation set.

    Other rows are refused: a score on them is not the official one. Files that are pinned are
    compared by their digest, others are read and compared row by row. A look-alike that the
    challenge knows is taken, and the record's note then says what it is.

    Args:
        challenge: the set's pins.
        task: the set.
        mirror: the mirror, or None.

    Returns:
        The files in the challenge's order, and their record.

    Raises:
        SourceError: they are nowhere, or a file is not the pinned one.
        EvaluationError: the rows are not the pinned ones.
    """
    item = challenge.evaluation_set(task)

    def complete(folder: Path, names: tuple[str, ...]) -> bool:
        return bool(names) and all((folder / name).is_file() for name in names)

    def missing(folder: Path) -> str:
        lack = [name for name in item.files if not (folder / name).is_file()]
        return (
            f"no {', '.join(lack)}" if lack and not complete(folder, item.substitute_files) else ""
        )

    wanted = (*item.files, *item.substitute_files)
    found = find("dataset", item.dataset, "main", wanted, missing, mirror)
    official = complete(found.folder, item.files)
    names = item.files if official else item.substitute_files
    paths = tuple(found.folder / name for name in names)
    files = {name: sha256_file(path) for name, path in zip(names, paths, strict=True)}
    for path, digest, expected in zip(paths, files.values(), item.sha256, strict=False):
        if digest != expected:
            raise SourceError(
                f"{path}: sha256 {digest[:16]}, the challenge pins {expected[:16]} for"
                f" {item.task}; fetch {item.dataset} again: a score on other rows is not comparable"
            )
    notes = [
        f"this file is not the hub's but {item.substitutes[digest]}"
        for digest in files.values()
        if digest in item.substitutes
    ]
    if not item.fingerprint and not notes:
        notes.append(
            "the rows of this set are not pinned, so they cannot be compared with the hub's"
        )
    rows = item.rows if item.sha256 else len(protocol_of(challenge).rows(task, paths).rows)
    record = DataRecord(
        name=challenge.record_name(item),
        kind="evaluation",
        source=found.source,
        revision=found.revision,
        rows=rows,
        sha256=next(iter(files.values())) if len(files) == 1 else sha256_of_set(files),
        files=files,
        notes=tuple(notes),
    )
    return paths, record
