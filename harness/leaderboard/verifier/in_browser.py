"""What runs in the browser: dropped files become a tree, and the tree is checked as anywhere.

It is called by the page `verify.html`, with the files that a reader dropped there, and needs
nothing but what `harness verify` needs.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.boards.challenge import challenge_names
from harness.boards.open_division import OPEN
from harness.claims.record import CLAIM_SCHEMA
from harness.document import canonical_json, parse_json
from harness.document.reading import STRANGER
from harness.document.units import MIB
from harness.errors import HarnessError, RecordError
from harness.record.file_names import CLAIM, RESULT
from harness.submissions.check import verify
from harness.verify.targets import TREE

MAX_DROPPED = 2_000
"""Most files that are unpacked."""
MAX_DROPPED_BYTES = 256 * MIB
"""Most bytes of all of them; a submission with weights has 2 to 90 MiB."""

MAX_LINK_BYTES = 4_000
"""Longest target of a link that is kept."""

OF_DESKTOPS = re.compile(r"__MACOSX/.*|(?:.*/)?(?:\._[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini)")
"""What the Finder and the Explorer leave in a folder, or beside one that they compress."""

Dropped = Mapping[str, bytes]
"""Path with `/` -> content."""


@dataclass(frozen=True, slots=True)
class Item:
    """A dropped file."""

    data: bytes
    is_link: bool = False


def judge(dropped: Dropped) -> str:
    """Check dropped files and return what `harness verify` says, as JSON.

    `lines` are what the command prints, `clean` is whether it exits with 0.

    Args:
        dropped: a folder's files, or one zip file of a folder.
    """
    room = Path(tempfile.mkdtemp(prefix="dropped-"))
    here = os.getcwd()
    try:
        path = lay_out(dropped, room)
        os.chdir(room)
        report = verify([path])
        value = {"clean": report.clean, "lines": report.lines(), **report.model_dump(mode="json")}
    except HarnessError as error:
        value = {"clean": False, "lines": [f"error: {error}"]}
    finally:
        os.chdir(here)
        shutil.rmtree(room, ignore_errors=True)
    return canonical_json(value)


def lay_out(dropped: Dropped, room: Path) -> Path:
    """Write dropped files where a checkout has them and return what is to be checked.

    Args:
        dropped: as in `judge`.
        room: an empty folder, which stands for the checkout.

    Raises:
        RecordError: too many or too large files, a path that leads elsewhere, or nothing to check.
    """
    files = {_safe(name): Item(data) for name, data in dropped.items() if _is_own(name)}
    name = next(iter(files), PurePosixPath())
    packed = len(files) == 1 and name.suffix.lower() == ".zip"
    if packed:
        files = _unzipped(files[name].data)
    _refuse_too_much(len(files), sum(len(item.data) for item in files.values()))
    if len(files) == 1 and (data := _record_alone(*files.items())) is not None:
        place = Path(CLAIM if CLAIM_SCHEMA.encode() in data else RESULT)
        (room / place).write_bytes(data)
        return place
    root, below, checked = _where(files, name.stem if packed else "dropped")
    for path, item in files.items():
        if not path.is_relative_to(root):
            raise RecordError(f"{path}: lies outside of {root}; drop one folder")
        place = room / below / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        if item.is_link:
            place.symlink_to(os.fsdecode(item.data[:MAX_LINK_BYTES]))
        else:
            place.write_bytes(item.data)
    return checked


def _record_alone(only: tuple[PurePosixPath, Item]) -> bytes | None:
    """Return a record or claim that is no part of a folder, whatever a download called it."""
    path, item = only
    return item.data if len(path.parts) == 1 and path.suffix == ".json" else None


def _where(
    files: Mapping[PurePosixPath, Item], name: str
) -> tuple[PurePosixPath, PurePosixPath, Path]:
    """Return the folder of what was dropped, where it belongs in a checkout, and what to check.

    Args:
        files: as they were dropped.
        name: of an entry whose folder was not dropped with it.

    Raises:
        RecordError: there is no record.
    """
    for path in files:
        if TREE in path.parts[:-1]:
            tree = PurePosixPath(*path.parts[: path.parts.index(TREE) + 1])
            return tree, PurePosixPath(TREE), Path(TREE)
    records = [path for path in files if path.name in (RESULT, CLAIM)]
    if not records:
        raise RecordError(f"no {RESULT} or {CLAIM} in it; drop the folder of a submission")
    record = min(records, key=lambda path: (len(path.parts), path))
    folder = record.parent
    if len(folder.parts) > 1 and folder.parent.name.removesuffix(OPEN) in challenge_names():
        return folder.parents[1], PurePosixPath(TREE), Path(TREE)
    place = PurePosixPath(TREE, _board_of(files[record].data), folder.name or name)
    return folder, place, Path(place)


def _board_of(data: bytes) -> str:
    """Return the folder of `submissions/` that a record or claim says it belongs to."""
    try:
        value = parse_json(data.decode(), RESULT, STRANGER)
        board = value["challenge"]
        board = board["id"] if isinstance(board, dict) else board
        is_open = value.get("spec", {}).get("open") is not None
    except (HarnessError, ValueError, KeyError, TypeError, AttributeError):
        return "unknown"
    return f"{board}{OPEN if is_open else ''}" if board in challenge_names() else "unknown"


def _is_own(name: str) -> bool:
    return OF_DESKTOPS.fullmatch(name) is None


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or {"..", "."} & set(name.split("/")) or "\0" in name:
        raise RecordError(
            f"{name!r:.100}: no path inside a folder; drop the folder of a submission"
        )
    return path


def _unzipped(data: bytes) -> dict[PurePosixPath, Item]:
    """Return the files of a zip file; a link stays one, so that the checker sees it.

    Raises:
        RecordError: it is none, or holds more than is read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # Windows' own PowerShell writes `mine\result.json`.
            named = [(item.filename.replace("\\", "/"), item) for item in archive.infolist()]
            items = [
                (name, item) for name, item in named if not name.endswith("/") and _is_own(name)
            ]
            _refuse_too_much(len(items), sum(item.file_size for _, item in items))
            return {
                _safe(name): Item(archive.read(item), stat.S_ISLNK(item.external_attr >> 16))
                for name, item in items
            }
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        raise RecordError(f"not a readable zip file ({error}); drop the folder itself") from None


def _refuse_too_much(count: int, size: int) -> None:
    if count > MAX_DROPPED or size > MAX_DROPPED_BYTES:
        raise RecordError(
            f"{count} files of {size} bytes; at most {MAX_DROPPED} files and"
            f" {MAX_DROPPED_BYTES // MIB} MiB are checked here: drop one submission's folder"
        )
