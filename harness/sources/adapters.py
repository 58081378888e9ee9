"""Adapters are found where models are: a published one, and the one of a warm start."""

from __future__ import annotations

from pathlib import Path

from harness.components import ModelSpec
from harness.document import read_json, sha256_file
from harness.errors import SourceError
from harness.recipe import WarmStart
from harness.record.data import DataRecord
from harness.record.file_names import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from harness.sources.lookup import find, mirror_folder


def locate_adapter(repository: str, revision: str, mirror: Path | None) -> Path:
    """Return the weights of an adapter that `harness publish` put on the hub.

    Args:
        repository: `owner/name`.
        revision: branch, tag or commit.
        mirror: folder in which `models/owner/name/` is looked for first, or None.

    Raises:
        SourceError: none of the sources has it; the message says what each answered.
    """
    folder = mirror_folder(mirror)
    found = find("model", repository, revision, (ADAPTER_WEIGHTS,), _missing, folder)
    return found.folder / ADAPTER_WEIGHTS


def _missing(folder: Path) -> str:
    return "" if (folder / ADAPTER_WEIGHTS).is_file() else f"no {ADAPTER_WEIGHTS}"


def locate_warm_start(
    warm: WarmStart, model: ModelSpec, mirror: Path | None
) -> tuple[Path, DataRecord]:
    """Find the weights that clients start from.

    Args:
        warm: as the recipe names them.
        model: the run's base.
        mirror: the mirror, or None.

    Raises:
        SourceError: they are nowhere, are other weights, or of another base model.
    """
    wanted = (ADAPTER_WEIGHTS, ADAPTER_CONFIG)

    def missing(folder: Path) -> str:
        lack = [name for name in wanted if not (folder / name).is_file()]
        return f"no {', '.join(lack)}" if lack else ""

    found = find("model", warm.adapter, warm.revision, wanted, missing, mirror)
    path = found.folder / ADAPTER_WEIGHTS
    digest = sha256_file(path)
    if digest != warm.sha256:
        raise SourceError(
            f"{path}: sha256 {digest[:16]}; the recipe's warm start names {warm.sha256[:16]}:"
            " provide that file, or correct extensions.warm_start.sha256"
        )
    config = read_json(found.folder / ADAPTER_CONFIG)
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    if base != model.hub_id:
        raise SourceError(
            f"the warm start {warm.adapter} is an adapter of {base!s:.80}, the run's base is"
            f" {model.hub_id}; start from an adapter of that base"
        )
    record = DataRecord(
        name=warm.adapter,
        kind="adapter",
        source=found.source,
        revision=found.revision,
        bytes=path.stat().st_size,
        sha256=digest,
        files={ADAPTER_WEIGHTS: digest},
    )
    return path, record
