"""A published adapter is found where models are: in a mirror, the Hugging Face cache, the hub."""

from __future__ import annotations

from pathlib import Path

from harness.record.file_names import ADAPTER_WEIGHTS
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
    found = find(
        "model", repository, revision, (ADAPTER_WEIGHTS,), _missing, mirror_folder(mirror),
        offline=False,
    )  # fmt: skip
    return found.folder / ADAPTER_WEIGHTS


def _missing(folder: Path) -> str:
    return "" if (folder / ADAPTER_WEIGHTS).is_file() else f"no {ADAPTER_WEIGHTS}"
