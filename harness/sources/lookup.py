"""The files of a hub id are looked up in a mirror, the Hugging Face cache, and the hub itself.

A mirror is a folder with `datasets/<org>/<name>/...` and `models/<org>/<name>/...`: what a cluster
without internet has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.errors import NowhereError, SourceError

MIRROR_VARIABLE = "HARNESS_MIRROR"

Kind = Literal["dataset", "model"]


@dataclass(frozen=True, slots=True)
class Found:
    """A folder that holds the wanted files of a hub id."""

    folder: Path
    source: Literal["mirror", "cache", "hub", "wheel", "synthetic"]
    revision: str
    """Hub commit; "local" for a mirror, which has none."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """File name -> sha256, of files that were digested on the way."""


def mirror_folder(argument: Path | None) -> Path | None:
    """Return the mirror: the argument, else the environment's, else None.

    Raises:
        SourceError: a mirror is named but is no folder.
    """
    text = str(argument) if argument is not None else os.environ.get(MIRROR_VARIABLE, "")
    if not text:
        return None
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise SourceError(
            f"mirror {folder}: no such folder; expected datasets/ and models/ in it; correct or"
            f" leave out --mirror and {MIRROR_VARIABLE}"
        )
    return folder.resolve()


def find(
    kind: Kind,
    hub_id: str,
    revision: str,
    patterns: tuple[str, ...],
    missing: Callable[[Path], str],
    mirror: Path | None,
    ignored: tuple[str, ...] = (),
    before_hub: Callable[[], Found | None] = lambda: None,
    after_hub: Callable[[], Found | None] = lambda: None,
) -> Found:
    """Find a hub id in the mirror, then the Hugging Face cache, then the hub.

    Args:
        kind: dataset or model.
        hub_id: `<org>/<name>`.
        revision: branch or commit, for cache and hub.
        patterns: the files that are wanted.
        missing: says what a candidate folder lacks, "" when it is complete.
        mirror: the mirror, or None.
        ignored: of what the patterns match, the files that are not wanted all the same.
        before_hub: another source, asked before the hub.
        after_hub: another source, asked after the hub.

    Raises:
        NowhereError: none has it, with what each said and the ways to provide it.
        SourceError: the mirror has an incomplete copy, which is never passed over in silence.
    """
    tried: list[str] = []
    if mirror is None:
        tried.append("no mirror is set")
    elif (folder := mirrored(kind, hub_id, missing, mirror)) is not None:
        return Found(folder, "mirror", "local")
    else:
        tried.append(f"mirror {mirror} has no {kind}s/{hub_id}")

    asked = {"allow_patterns": [*patterns], "ignore_patterns": [*ignored], "revision": revision}
    cached, reason = _snapshot(kind, hub_id, asked, missing, local=True)
    if cached is not None:
        return Found(cached, "cache", cached.name)
    tried.append(f"Hugging Face cache: {reason}")

    if (other := before_hub()) is not None:
        return other
    fetched, reason = _snapshot(kind, hub_id, asked, missing, local=False)
    if fetched is not None:
        return Found(fetched, "hub", fetched.name)
    tried.append(f"hub: {reason}")
    if (other := after_hub()) is not None:
        return other
    download = f"hf download {hub_id}" + (" --repo-type dataset" if kind == "dataset" else "")
    raise NowhereError(
        f"{kind} {hub_id} is in none of the sources ({'; '.join(tried)}); put it in a mirror as"
        f" {kind}s/{hub_id}/ and name that with --mirror or {MIRROR_VARIABLE}, or run `{download}`"
        " where there is a network"
    )


def mirrored(kind: Kind, hub_id: str, missing: Callable[[Path], str], mirror: Path) -> Path | None:
    """Return the mirror's folder of a hub id, or None where it has none.

    Args:
        kind: dataset or model.
        hub_id: `<org>/<name>`.
        missing: says what a folder lacks, "" when it is complete.
        mirror: the mirror.

    Raises:
        SourceError: its copy is incomplete.
    """
    folder = mirror.joinpath(f"{kind}s", *hub_id.split("/"))
    if not folder.is_dir():
        return None
    if lack := missing(folder):
        raise SourceError(
            f"{folder}: the mirror's copy of {kind} {hub_id} is incomplete: {lack};"
            " complete it or remove the folder"
        )
    return folder


def _snapshot(
    kind: Kind,
    hub_id: str,
    asked: Mapping[str, Any],
    missing: Callable[[Path], str],
    local: bool,
) -> tuple[Path | None, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(hub_id, repo_type=kind, local_files_only=local, **asked))
    except LocalEntryNotFoundError:
        return None, "not there" if local else "not reachable"
    except HfHubHTTPError as error:
        return None, str(error).strip().splitlines()[0]
    except (OSError, ValueError) as error:
        return None, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    lack = missing(folder)
    return (None, f"incomplete, {lack}") if lack else (folder, "")
