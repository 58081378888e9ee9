"""The training set's file: found, readable, and compared with what the challenge pins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from harness.boards.challenge import Challenge
from harness.boards.open_division import OpenRules
from harness.boards.training_pin import training_faults
from harness.document import sha256_file
from harness.document.units import how_many
from harness.errors import MissingExtraError, SourceError, how_to_install
from harness.record.data import DataRecord
from harness.sources.lookup import find, mirrored


def locate_training_set(
    challenge: Challenge, mirror: Path | None, changed: OpenRules | None = None
) -> tuple[Path, DataRecord]:
    """Find the parquet file of a challenge's training set.

    A readable file that misses a pin can be used; the record's notes then say what differs, and the
    run is not eligible. The data of an open run's own are compared with nothing.

    Args:
        challenge: the rules of the run.
        mirror: the mirror, or None.
        changed: what an open run changes of them.

    Raises:
        SourceError: it is nowhere, is no parquet file, lacks a column, or has fewer rows than there
            are supernodes.
    """
    dataset = challenge.dataset
    found = find("dataset", dataset.name, "main", ("*.parquet",), _missing, mirror)
    (path,) = _parquet_files(found.folder)
    refuse_unusable(challenge, path)
    digest = sha256_file(path)
    rows, problems = compare_with_pins(challenge, path, digest)
    if changed is not None and changed.dataset is not None:
        problems = ["data of the run's own, in place of the challenge's"]
    record = DataRecord(
        name=dataset.name,
        kind="training",
        source=found.source,
        revision=found.revision,
        rows=rows,
        sha256=digest,
        files={path.relative_to(found.folder).as_posix(): digest},
        notes=tuple(problems),
    )
    return path, record


def mirrored_training_file(challenge: Challenge, mirror: Path) -> Path | None:
    """Return the mirror's training file of a challenge, or None where it has none.

    Raises:
        SourceError: its copy is incomplete.
    """
    folder = mirrored("dataset", challenge.dataset.name, _missing, mirror)
    return None if folder is None else _parquet_files(folder)[0]


def refuse_unusable(challenge: Challenge, path: Path) -> None:
    """Refuse a training file by what its end says of it, without reading its rows.

    Args:
        challenge: the rules of the run.
        path: of the file.

    Raises:
        SourceError: it is no parquet file, lacks a column, or has fewer rows than there are
            supernodes.
        MissingExtraError: pyarrow is not installed.
    """
    dataset = challenge.dataset
    with _reading_parquet(path, dataset.name) as parquet, parquet.ParquetFile(path) as file:
        names, rows = file.schema_arrow.names, file.metadata.num_rows
    lack = [name for name in dataset.columns if name not in names]
    if lack:
        raise SourceError(
            f"{path}: no column {', '.join(lack)}; found {', '.join(names)};"
            f" expected {', '.join(dataset.columns)}"
        )
    if rows < challenge.num_supernodes:
        raise SourceError(
            f"{path}: {how_many(rows, 'row')}; expected at least one for each of"
            f" {challenge.num_supernodes} supernodes; fetch {dataset.name} again"
        )


@contextmanager
def _reading_parquet(path: Path, name: str) -> Iterator[ModuleType]:
    """Yield pyarrow's module, and say what file is none of its kind."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(
            f"reading the training set needs pyarrow; {how_to_install('run')}"
        ) from None
    try:
        yield pyarrow.parquet
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SourceError(
            f"{path}: cannot be read as parquet ({reason}); fetch {name} again"
        ) from None


def compare_with_pins(challenge: Challenge, path: Path, digest: str) -> tuple[int, list[str]]:
    """Compare a training file with the challenge's pins.

    Args:
        challenge: the pins.
        path: a file that `refuse_unusable` lets through.
        digest: its sha256.

    Returns:
        Number of rows, and one sentence per pin that does not hold; none when all hold.

    Raises:
        SourceError: the file cannot be read, or a column holds no text.
        MissingExtraError: pyarrow is not installed.
    """
    dataset = challenge.dataset
    with _reading_parquet(path, dataset.name) as parquet:
        table = parquet.read_table(path)
    columns = {name: table.column(name).to_pylist() for name in dataset.columns}
    for name, values in columns.items():
        row = next((i for i, value in enumerate(values) if not isinstance(value, str)), None)
        if row is not None:
            raise SourceError(f"{path}: row {row}: {name} is {values[row]!r:.40}, expected text")

    problems: list[str] = []
    if digest in dataset.pin.lookalikes:
        problems.append(f"this file is not the hub's but {dataset.pin.lookalikes[digest]}")
    return table.num_rows, problems + training_faults(dataset, columns)


def _parquet_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.parquet"))


def _missing(folder: Path) -> str:
    files = _parquet_files(folder)
    if len(files) == 1:
        return ""
    names = ", ".join(path.name for path in files) or "none"
    return f"expected exactly one parquet file, found {names}"
