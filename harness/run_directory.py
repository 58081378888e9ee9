"""A run directory: the files of one run, each written atomically, and the lock that guards them."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from harness.document import (
    digest_of,
    lock,
    pretty_json,
    read_document,
    read_json,
    write_atomic,
    write_document,
)
from harness.document.units import MIB
from harness.errors import RecordError, UsageError, how_to_finish
from harness.record.file_names import ASSETS, COMMAND, ENERGY, RESULT, SPEC, TIMING
from harness.record.machine import Drawn, EnergyCount, Factor
from harness.sources.assets import Assets
from harness.spec import RunSpec

LOCK = ".lock"


def default_run_dir(spec: RunSpec) -> Path:
    """Return `runs/<plugin>-<recipe>-<UTC time>` for a run without `--out`."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return Path("runs") / f"{spec.plugin}-{spec.recipe}{'-smoke' if spec.smoke else ''}-{stamp}"


def refuse_existing(path: Path) -> None:
    """Check that a new run may be written to `path`.

    Raises:
        UsageError: `path` exists and is not an empty directory.
    """
    used = path.exists() and (not path.is_dir() or any(p.name != LOCK for p in path.iterdir()))
    if used:
        resumable = (path / SPEC).is_file()
        hint = f"continue it with --resume {shlex.quote(str(path))}, or" if resumable else "please"
        raise UsageError(f"{path} exists; {hint} choose another --out")


def refuse_unwritable(path: Path, needed_bytes: int = 0) -> None:
    """Check that files can be made in `path`; what is made to find out is removed.

    Args:
        path: the run directory.
        needed_bytes: what the run's files are forecast to take.

    Raises:
        UsageError: none can be made, or fewer bytes are free there.
    """
    absent = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            refuse_full_disk(path, needed_bytes)
    except OSError as error:
        raise UsageError(
            f"{path}: nothing can be written there ({error.strerror}); choose another --out"
        ) from None
    finally:
        for folder in absent:
            with suppress(OSError):
                folder.rmdir()


def refuse_full_disk(path: Path, needed_bytes: int) -> None:
    """Check that a run's files have room where `path` is, or would be made.

    Raises:
        UsageError: fewer bytes are free there.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise UsageError(
            f"{path}: {free / MIB:,.1f} MiB free there, the run's files are forecast to take"
            f" {needed_bytes / MIB:,.1f} MiB; free space, or choose another --out"
        )


def create(path: Path, spec: RunSpec, assets: Assets) -> None:
    """Write what a run, its repetition and its evaluation begin with.

    Args:
        path: the run directory; made where there is none.
        spec: the run; what is there is this one, or is written over.
        assets: files of this machine; may differ from session to session.

    Raises:
        RecordError: the disk refused it.
    """
    write_document(path / SPEC, spec)
    write_document(path / ASSETS, assets)


def as_asked(path: Path, folder: Path) -> Path:
    """Have `folder` ask for the same evaluation as the run in `path`, and return it.

    Raises:
        RecordError: the disk refused it.
    """
    for name in (SPEC, ASSETS):
        write_atomic(folder / name, (path / name).read_bytes())
    return folder


def keep_command(path: Path, command: tuple[str, ...]) -> None:
    """Write what was typed to begin the run; a submission carries it on.

    Raises:
        RecordError: the disk refused it.
    """
    write_atomic(path / COMMAND, pretty_json(list(command)))


def read_command(path: Path) -> tuple[str, ...]:
    """Return what was typed to begin the run; empty where it was not kept.

    Raises:
        RecordError: the file is no list of texts.
    """
    file = path / COMMAND
    value = read_json(file) if file.is_file() else []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RecordError(f"{file}: expected a list of texts; remove it, or put it right")
    return tuple(value)


def refuse_no_run(path: Path) -> None:
    """Check that `path` is a run directory, finished or not.

    Raises:
        UsageError: it is a file, or has no spec.
    """
    if path.is_file():
        raise UsageError(f"{path}: a file; expected the run directory, {path.parent} perhaps")
    if not (path / SPEC).is_file():
        raise UsageError(f"{path}: no {SPEC} there; expected a run directory of harness run")


def refuse_unfinished(path: Path) -> None:
    """Check that `path` is a run directory with a result.

    Raises:
        UsageError: it is a file, has no spec, or the run has not come to its end.
    """
    if not (path / RESULT).is_file():
        refuse_no_run(path)
        raise UsageError(f"{path}: no {RESULT}; {how_to_finish(path)}")


def read_spec(path: Path) -> RunSpec:
    """Return the spec of a run directory.

    Raises:
        RecordError: there is none, or it is not one.
    """
    if not (path / SPEC).is_file():
        raise RecordError(f"{path}: no {SPEC} there; expected a run directory of harness run")
    return read_document(RunSpec, path / SPEC)


def refuse_other_spec(path: Path, spec: RunSpec) -> None:
    """Compare a spec with the one of a run directory that is to be resumed.

    Raises:
        RecordError: they differ; the first differing keys are named.
    """
    kept = read_spec(path)
    if digest_of(kept) != digest_of(spec):
        old, new = kept.model_dump(mode="json"), spec.model_dump(mode="json")
        changed = [key for key in old if old[key] != new.get(key)]
        raise RecordError(
            f"{path}: its spec differs from the one asked for in {', '.join(changed)};"
            " resume without --plugin and --set, or start a new run"
        )


@contextmanager
def run_lock(path: Path) -> Iterator[None]:
    """Hold the run directory for this process; the lock ends with the process, however it ends.

    It is made where there is none.

    Raises:
        UsageError: another process holds it.
    """
    in_use = f"{path} is in use by another harness process; wait for it, or end it first"
    with lock.locked(path / LOCK, in_use):
        yield


def keep_time(path: Path, before: Mapping[str, float], stage: str, seconds: float) -> None:
    """Keep what a stage has taken; the sessions of a resumed run add up.

    Args:
        path: the run directory.
        before: stage -> seconds of earlier sessions.
        stage: the one that runs, or has ended.
        seconds: of it in this session.

    Raises:
        RecordError: the disk refused it.
    """
    timing = {**before, stage: round(before.get(stage, 0.0) + seconds, 3)}
    write_atomic(path / TIMING, json.dumps(timing, indent=2) + "\n")


def read_timing(path: Path) -> dict[str, float]:
    """Return stage -> seconds; empty before the first was kept."""
    file = path / TIMING
    return dict(read_json(file)) if file.is_file() else {}


def keep_energy(
    path: Path, before: EnergyCount, drawn: Iterable[Drawn], notes: Iterable[str]
) -> None:
    """Keep what a stage has drawn; the sessions of a resumed run add up, counter by counter.

    Args:
        path: the run directory.
        before: what earlier stages and sessions drew.
        drawn: what each counter counted in the stage.
        notes: why something was not counted, or is an estimate.

    Raises:
        RecordError: the disk refused it.
    """
    now = list(drawn)
    parts = {(item.what, item.method): item for item in before.parts}
    for item in now:
        key = (item.what, item.method)
        if (old := parts.get(key)) is not None:
            item = item.with_values(
                joules=round(old.joules + item.joules, 3),
                seconds=round(old.seconds + item.seconds, 3),
                estimated=old.estimated or item.estimated,
            )
        parts[key] = item
    measured_s = round(before.measured_s + max((item.seconds for item in now), default=0.0), 3)
    _put_energy(
        path,
        before.with_values(
            parts=tuple(parts.values()),
            measured_s=measured_s,
            notes=tuple(dict.fromkeys([*before.notes, *notes])),
        ),
    )


def keep_factor(path: Path, factor: Factor) -> None:
    """Keep by which factor a run's energy becomes CO2."""
    _put_energy(path, read_energy(path).with_values(factor=factor))


def read_energy(path: Path) -> EnergyCount:
    """Return what the sessions of a run have counted; nothing before the first stage.

    Raises:
        RecordError: the file is unreadable.
    """
    file = path / ENERGY
    return read_document(EnergyCount, file) if file.is_file() else EnergyCount()


def _put_energy(path: Path, count: EnergyCount) -> None:
    write_document(path / ENERGY, count)
