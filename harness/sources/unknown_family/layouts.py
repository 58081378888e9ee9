"""The ModelSpec of a family that the table has not, where transformers is installed.

transformers builds the model on the meta device in a process of its own (`modules`); what that
found is kept in the cache folder under the digest of the config.json and transformers' version.
So is why a model is no plain decoder; any other failure is tried again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness import progress
from harness.components import ModelSpec
from harness.components.model_config import (
    is_of_several,
    model_name,
    no_known_family,
    refuse_quantized,
)
from harness.document import canonical_json, explain, read_json, sha256_text
from harness.document.lock import locked
from harness.errors import SourceError, how_to_install
from harness.machine.cache_folder import cache_folder
from harness.machine.versions import harness_code
from harness.processes.isolated_python import run_python

VERSION = "v3"
"""Of how modules are read; another way gets another number."""

LIMIT_S = 180
"""Longest that reading may take: 6 s on two cores, most of it importing transformers."""

OTHERWISE = "use a model of a known family, or another plain decoder"

REFUSED, REFUSED_BY = "refused", "harness"
"""What is kept of a model that is no plain decoder: why, and the digest of the harness that found
so, for another one may read more."""


def spec_of_modules(config: Mapping[str, Any], hub_id: str, where: str, **free: Any) -> ModelSpec:
    """Return the ModelSpec of a model whose family is not in the table, its layout written out.

    Args:
        config: the values of its config.json, which may be a stranger's.
        hub_id: its name on the hub.
        where: the file, for messages.
        free: fields that config.json does not decide.

    Raises:
        SourceError: transformers is not installed, does not know the family, or builds something
            that is no plain decoder.
    """
    unknown = no_known_family(config, where)
    if not isinstance(config.get("model_type"), str) or is_of_several(config):
        raise SourceError(f"{unknown}; use a model of one of them")
    refuse_quantized(config, where)
    library = _transformers()
    if library is None:
        raise SourceError(
            f"{unknown}; use a model of one of them, or {how_to_install('run')}: with it the layers"
            " of other plain decoders are read from transformers"
        )
    found = _kept(config, library, unknown)
    try:
        return ModelSpec.model_validate(
            {"name": model_name(hub_id), "hub_id": hub_id, "architecture": config["model_type"]}
            | {name: value for name, value in found.items() if value is not None}
            | free
        )
    except ValidationError as error:
        raise SourceError(f"{where}: {explain(error)}") from None


def _transformers() -> str | None:
    """Return the version of transformers that can build a model here."""
    try:
        return version("transformers") if find_spec("torch") is not None else None
    except PackageNotFoundError:
        return None


def _kept(config: Mapping[str, Any], library: str, unknown: str) -> dict[str, Any]:
    text = canonical_json(dict(config))
    cache = cache_folder()
    path = cache / f"layout-{sha256_text(text)[:32]}-transformers-{library}-{VERSION}.json"
    try:
        found = _standing(path)
        if found is None:
            with locked(cache / f"{path.name}.lock"):
                found = _standing(path) or _read_apart(text, path, unknown)
    except OSError as error:
        raise SourceError(f"cache folder {cache}: {error.strerror}") from None
    if REFUSED in found:
        raise SourceError(f"{_doing(unknown)} failed: {found[REFUSED]}; {OTHERWISE}")
    return found


def _standing(path: Path) -> dict[str, Any] | None:
    """Return what is kept; None of nothing, and of what another harness refused."""
    if not path.is_file():
        return None
    found = read_json(path)
    if not isinstance(found, dict):
        raise SourceError(f"{path}: not what was written there; delete it and run again")
    stale = REFUSED in found and found.get(REFUSED_BY) != harness_code().digest
    return None if stale else found


def _doing(unknown: str) -> str:
    return f"{unknown}, and reading its layers from transformers"


def _read_apart(text: str, path: Path, unknown: str) -> dict[str, Any]:
    progress.say("a family that is not in the table: its layers are read from transformers, once")
    with tempfile.TemporaryDirectory(prefix=".reading-", dir=path.parent) as scratch:
        given, made = Path(scratch) / "config.json", Path(scratch) / "layout.json"
        given.write_text(text, "utf-8")
        run_python(
            ["-m", "harness.sources.unknown_family.modules", str(given), str(made)],
            _doing(unknown),
            OTHERWISE,
            LIMIT_S,
        )
        os.replace(made, path)
    return dict(read_json(path))
