"""A model by its hub id or its folder: config.json is found there and becomes a ModelSpec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.components import ModelSpec, spec_of_config
from harness.components.families import FAMILIES
from harness.document import parse_json
from harness.errors import RecordError, SourceError
from harness.sources.lookup import find, mirror_folder
from harness.sources.unknown_family.layouts import spec_of_modules

CONFIG = "config.json"
MAX_CONFIG_BYTES = 2**20
"""Size of a config.json; the largest, which list a label for each class, have some 100 kB."""


def hub_model(hub_id: str, revision: str = "main", mirror: Path | None = None) -> ModelSpec:
    """Return the ModelSpec of a hub id, its revision frozen where the source knows one.

    Only config.json is asked for: of a model that is neither in the mirror nor in the cache, no
    weights are fetched.

    Args:
        hub_id: `<org>/<name>`.
        revision: branch or commit, for cache and hub.
        mirror: folder with `models/`, or None: the one that the environment names.

    Raises:
        SourceError: it is in none of the sources, or its config.json is no known family's.
    """
    folder = mirror_folder(mirror)
    found = find("model", hub_id, revision, (CONFIG,), _missing, folder)
    frozen = revision if found.revision == "local" else found.revision
    return folder_model(found.folder, hub_id, revision=frozen)


def folder_model(folder: Path, hub_id: str, **free: Any) -> ModelSpec:
    """Return the ModelSpec of a folder with a config.json.

    A family that the table has not is read from transformers, where that is installed.

    Args:
        folder: the model's folder.
        hub_id: its name on the hub.
        free: fields that config.json does not decide; see `spec_of_config`.

    Raises:
        SourceError: there is no config.json, or it is no known family's.
    """
    config, where = read_config(folder), str(folder / CONFIG)
    known = str(config.get("model_type")) in FAMILIES
    return (spec_of_config if known else spec_of_modules)(config, hub_id, where, **free)


def read_config(folder: Path) -> dict[str, Any]:
    """Return the values of a folder's config.json.

    Raises:
        SourceError: it is missing, too large, or no JSON object.
    """
    path = folder / CONFIG
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise SourceError(f"{path}: more than {MAX_CONFIG_BYTES:,} bytes; no configuration")
        values = parse_json(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read ({error}); name a model's folder") from None
    except RecordError as error:
        raise SourceError(f"{error}; fetch the model again") from None
    if not isinstance(values, dict):
        raise SourceError(f"{path}: {type(values).__name__} instead of an object; fetch it again")
    return values


def _missing(folder: Path) -> str:
    if (folder / CONFIG).is_file():
        return ""
    if (folder / "adapter_config.json").is_file():
        return f"no {CONFIG}, but an adapter; name the model that it was trained on"
    gguf = ", but GGUF files, which are not read; name the model that they were made of"
    return f"no {CONFIG}" + (gguf if any(folder.glob("*.gguf")) else "")
