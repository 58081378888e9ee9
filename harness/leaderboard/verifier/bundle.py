"""The files that let a page run the checker: Pyodide, seven packages as wheels, and the harness.

They are given by whoever builds the pages and copied beside them, so that a reader's browser asks
nobody else. `docs/submitting.md` has the two commands that fetch them.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.document import pretty_json, write_atomic
from harness.document.units import MIB
from harness.errors import UsageError

RUNTIME = (
    "pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json",
)  # fmt: skip
"""What of Pyodide's npm package a page needs."""
PACKAGES = (
    "typing_extensions", "annotated_types", "typing_inspection", "packaging", "pluggy",
    "pydantic_core", "pydantic",
)  # fmt: skip
"""What the checker imports, each behind what it needs itself."""
MAX_RUNTIME_BYTES = 64 * MIB
"""Most bytes of one of the files; the largest has 9 MB."""
FOLDER = "verifier"
"""Where they lie, beside the pages."""
ROOT = Path(__file__).resolve().parents[2]
SOURCES = (".py", ".toml", ".json", ".bin")
"""Endings of the harness's files that the checker may read."""


def verifier_files(given: Path) -> dict[str, bytes]:
    """Return name -> content of what is copied beside the pages.

    Args:
        given: a folder with Pyodide's npm package, `pyodide-*.tgz` or its files, and the wheels.

    Raises:
        UsageError: something is missing, twice there, or not made for that Pyodide.
    """
    runtime = _runtime(given)
    wheels = {name: _wheel(given, name) for name in PACKAGES}
    _refuse_other_python(runtime["pyodide-lock.json"], wheels["pydantic_core"])
    found = {f"{FOLDER}/{name}": data for name, data in runtime.items()}
    found |= {f"{FOLDER}/{wheel.name}": wheel.read_bytes() for wheel in wheels.values()}
    found[f"{FOLDER}/harness.zip"] = harness_zip()
    names = [wheel.name for wheel in wheels.values()]
    found[f"{FOLDER}/packages.json"] = pretty_json({"wheels": names}).encode()
    return found


def write_verifier(files: Mapping[str, bytes], out: Path) -> None:
    """Write the files where they differ from what is there; other ones in their folder are removed.

    Args:
        files: of `verifier_files`.
        out: folder of the pages.
    """
    for name, data in files.items():
        path = out / name
        if not path.is_file() or path.read_bytes() != data:
            write_atomic(path, data)
    for path in (out / FOLDER).glob("*"):
        if f"{FOLDER}/{path.name}" not in files:
            path.unlink()


def harness_zip() -> bytes:
    """Return the harness's own files, in one form for one content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(ROOT.rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                name = path.relative_to(ROOT.parent).as_posix()
                archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _runtime(given: Path) -> dict[str, bytes]:
    packed = sorted(given.glob("pyodide-*.tgz")) if given.is_dir() else []
    found = dict(_unpacked(packed[0])) if len(packed) == 1 else {}
    found |= {name: (given / name).read_bytes() for name in RUNTIME if (given / name).is_file()}
    missing = [name for name in RUNTIME if name not in found]
    if missing:
        raise UsageError(
            f"{given}: {len(packed)} files pyodide-*.tgz, and no {missing[0]}; put one there:"
            " npm pack pyodide"
        )
    return {name: found[name] for name in RUNTIME}


def _unpacked(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive, "r:gz") as packed:
        for member in packed:
            name = member.name.removeprefix("package/")
            if name in RUNTIME and member.isfile() and member.size <= MAX_RUNTIME_BYTES:
                file = packed.extractfile(member)
                assert file is not None
                yield name, file.read()


def _wheel(given: Path, name: str) -> Path:
    found = sorted(given.glob(f"{name}-*.whl"))
    if len(found) != 1:
        raise UsageError(
            f"{given}: {len(found)} wheels of {name}; expected one: pip download pydantic packaging"
            " pluggy, as docs/submitting.md says"
        )
    return found[0]


def _refuse_other_python(lock: bytes, core: Path) -> None:
    """Check that the one compiled wheel is of Pyodide's Python and of its binary interface."""
    info = json.loads(lock)["info"]
    python = "".join(info["python"].split(".")[:2])
    expected = f"-cp{python}-cp{python}-pyemscripten_{info['abi_version']}_{info['arch']}.whl"
    if not re.fullmatch(r"pydantic_core-[0-9.]+" + re.escape(expected), core.name):
        raise UsageError(f"{core}: is not for this Pyodide; expected pydantic_core-...{expected}")
