"""A Flower App Bundle: a zip of strangers, unpacked within bounds into a folder of its own."""

from __future__ import annotations

import lzma
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from harness.claims.importing.project import MAX_ENTRIES, MAX_PUBLISHED_BYTES
from harness.document.units import MIB
from harness.errors import RecordError

BUNDLE_SUFFIX = ".fab"
MAX_BUNDLE_BYTES = 128 * MIB
"""Of all files together, unpacked; the hub of Flower Apps takes 10 MB, packed."""


BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Yield a project's folder: `path` itself, or a temporary one with what a .fab holds.

    Raises:
        RecordError: it is no zip, is larger than its limits, or an entry is a link, is encrypted,
            stands twice or would lie outside the folder.
    """
    if path.suffix != BUNDLE_SUFFIX or not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="harness-fab-") as temporary:
        folder = Path(temporary).resolve()
        try:
            with zipfile.ZipFile(path) as bundle:
                _unpack(bundle, path.name, folder)
        except (*BROKEN, OSError, ValueError) as error:
            raise RecordError(
                f"{path.name}: cannot be unpacked ({error or type(error).__name__}); expected what"
                " flwr build writes"
            ) from None
        yield folder


def _unpack(bundle: zipfile.ZipFile, where: str, folder: Path) -> None:
    entries = bundle.infolist()
    if len(entries) > MAX_ENTRIES:
        raise RecordError(f"{where}: {len(entries)} entries; at most {MAX_ENTRIES} are read")
    left, seen = MAX_BUNDLE_BYTES, set()
    for entry in entries:
        name = PurePosixPath(entry.filename)
        mode = entry.external_attr >> 16
        if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or "\0" in str(name):
            raise RecordError(f"{where}: {entry.filename[:80]!r} lies outside the app")
        if stat.S_ISLNK(mode) or entry.flag_bits & 1:
            raise RecordError(f"{where}: {entry.filename[:80]!r} is a link or encrypted")
        if entry.is_dir():
            continue
        if name in seen:
            raise RecordError(f"{where}: {entry.filename[:80]!r} stands twice")
        seen.add(name)
        with bundle.open(entry) as packed:
            # What the directory of a zip says of a size is a stranger's word.
            data = packed.read(min(left, MAX_PUBLISHED_BYTES) + 1)
        if len(data) > min(left, MAX_PUBLISHED_BYTES):
            raise RecordError(
                f"{where}: {entry.filename[:80]!r} is too large; {MAX_PUBLISHED_BYTES // MIB} MiB a"
                f" file and {MAX_BUNDLE_BYTES // MIB} MiB together are read"
            )
        left -= len(data)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
