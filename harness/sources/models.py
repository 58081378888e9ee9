"""A base model's folder: is it complete, and what are its digests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from harness.components import ModelSpec
from harness.document import canonical_json, read_json, sha256_file
from harness.document.file_digests import sha256_of_set
from harness.document.safetensors_header import read_header
from harness.errors import RecordError, SourceError
from harness.planning.smoke import RANDOM
from harness.record.data import DataRecord
from harness.sources.generation_config import greedy_note
from harness.sources.lookup import Found, find
from harness.sources.model_fit import refuse_other_files
from harness.sources.random_model import RANDOM_NOTE, random_model
from harness.sources.tokenizer_files import missing_vocabulary, refuse_other_tokenizer
from harness.sources.wheel import WHEEL_HUB_ID, WHEEL_NOTE, wheel_model

MODEL_PATTERNS = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt")
"""Files of a model that may be loaded; pickled weights are not among them."""

UNREAD_PATTERNS = ("consolidated*.safetensors", "*/*.safetensors")
"""Second copies of a model's weights, in its maker's own form or another library's, neither fetched
nor digested. Source: mistralai/Mistral-7B-Instruct-v0.3 has 14.5 GB of them beside the shards."""

WEIGHTS = "model.safetensors"
PICKLED = ("pytorch_model*.bin", "*.pth", "*.pt")
PICKLED_ADVICE = (
    ", only pickled weights, which can hold code and are never loaded: take a revision with"
    " safetensors, or save_pretrained them once"
)

CODE_PATTERN = "*.py"
"""Files of a model that run where its spec asks for code of its own."""

NOTES = {"wheel": WHEEL_NOTE, "synthetic": RANDOM_NOTE}
"""Source -> what its files are instead of the hub's."""

METADATA = ".cache/huggingface/download"

MIRROR_NOTE = (
    "these are not shown to be the hub's files: the mirror keeps no commit of them, or another"
    " digest; `hf download` with --local-dir keeps both"
)


def locate_model(
    model: ModelSpec,
    mirror: Path | None,
    prefer_wheel: bool,
    told_greedy: bool = False,
    drawn: bool = False,
) -> tuple[Path, DataRecord]:
    """Find a base model and check that its files are whole, and of the model that the spec says.

    Args:
        model: which model.
        mirror: the mirror, or None.
        prefer_wheel: take the wheel rather than ask the hub (a smoke run).
        told_greedy: whether the board's script asks for greedy decoding, whatever the model says.
        drawn: whether outputs are drawn, with whatever else the model asks for: nothing to note.

    Raises:
        SourceError: it is nowhere, a file is damaged, or the files are of another model.
        PluginError: the files agree with each other, and not with the spec.
    """
    found = _found(model, mirror, prefer_wheel)
    names = model_files(found.folder, model.trust_remote_code)
    if model.trust_remote_code:
        refuse_code_elsewhere(found.folder)
    refuse_other_weights(model, found.folder)
    if found.source not in NOTES:  # what was made here has the tokenizer that it was made with
        refuse_other_tokenizer(model, found.folder)
    files = {name: found.digests.get(name) or sha256_file(found.folder / name) for name in names}
    commit = found.revision if found.source != "mirror" else mirrored_commit(found.folder, files)
    notes = [note for source, note in NOTES.items() if found.source == source]
    if commit is None:
        notes.append(MIRROR_NOTE)
    if not drawn and (note := greedy_note(found.folder, told_greedy)) is not None:
        notes.append(note)
    record = DataRecord(
        name=model.hub_id,
        kind="model",
        source=found.source,
        revision=commit or found.revision,
        sha256=sha256_of_set(files),
        files=files,
        notes=tuple(notes),
    )
    return found.folder, record


def _found(model: ModelSpec, mirror: Path | None, prefer_wheel: bool) -> Found:
    """Find a base model's folder; see `locate_model`."""

    def wheel() -> Found | None:
        return wheel_model() if model.hub_id == WHEEL_HUB_ID else None

    if model.hub_id.startswith(RANDOM):
        return random_model(model)
    return find(
        "model",
        model.hub_id,
        model.revision,
        (*MODEL_PATTERNS, CODE_PATTERN) if model.trust_remote_code else MODEL_PATTERNS,
        missing_model_files,
        mirror,
        ignored=UNREAD_PATTERNS,
        **{"before_hub" if prefer_wheel else "after_hub": wheel},
    )


def model_files(folder: Path, with_code: bool) -> list[str]:
    """Return the names of a model's files that may be loaded, sorted.

    Args:
        folder: the model's.
        with_code: the code that the model brings too, wherever in the folder it lies.
    """
    names = [
        path.name
        for path in folder.iterdir()
        if path.is_file()
        and any(path.match(pattern) for pattern in MODEL_PATTERNS)
        and not path.match(UNREAD_PATTERNS[0])
    ]
    if with_code:
        names += [path.relative_to(folder).as_posix() for path in folder.rglob(CODE_PATTERN)]
    return sorted(names)


def refuse_other_weights(model: ModelSpec, folder: Path) -> None:
    """Check that a folder's weights are whole, by their headers, and of the model of the spec.

    Raises:
        SourceError: a file is damaged, or the files are of another model.
        PluginError: the files agree with each other, and not with the spec.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for name in model_files(folder, with_code=False):
        if name.endswith(".safetensors"):
            shapes |= check_safetensors(folder / name)
    refuse_other_files(model, folder, shapes)


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
        needed.add(WEIGHTS)
    lack = {name for name in needed if not (folder / name).is_file()}
    if (vocabulary := missing_vocabulary(folder)) is not None:
        lack.add(vocabulary)
    if not lack:
        return ""
    pickled = WEIGHTS in lack and any(any(folder.glob(pattern)) for pattern in PICKLED)
    return f"no {', '.join(sorted(lack))}" + (PICKLED_ADVICE if pickled else "")


def mirrored_commit(folder: Path, files: Mapping[str, str]) -> str | None:
    """Return the hub's commit that a mirror's weights are of, or None where nothing shows it.

    `hf download ORG/NAME --local-dir DIR` keeps, beside what it fetched, each file's commit and
    digest as the hub gave them. Source: huggingface_hub 0.34, `_local_folder.py`.

    Args:
        folder: the model's folder.
        files: name -> sha256 of each file in it.
    """
    commits = set()
    for name, digest in files.items():
        if not name.endswith(".safetensors"):
            continue
        try:
            text = (folder / METADATA / f"{name}.metadata").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        commit, etag, *_ = [*text.splitlines(), "", ""]
        if etag != digest or not re.fullmatch(r"[0-9a-f]{40}", commit):
            return None
        commits.add(commit)
    return commits.pop() if len(commits) == 1 else None


def check_safetensors(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes in a weights file, its header checked against its size.

    Raises:
        SourceError: truncated, or not a safetensors file.
    """
    try:
        return read_header(path).shapes
    except RecordError as error:
        raise SourceError(f"{error}; fetch the model again") from None
