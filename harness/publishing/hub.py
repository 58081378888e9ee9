"""Uploading: one commit in one repository, and one line for everything that can go wrong."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from harness import progress
from harness.errors import SourceError
from harness.record.file_names import ADAPTER_WEIGHTS

EMPTY_FILES = frozenset({".gitattributes"})
"""What a repository holds that was just made."""


class Commit(NamedTuple):
    """A commit on the hub."""

    revision: str
    address: str
    """Of its files, as a browser opens it."""


def page_of(repository: str) -> str:
    """Return the https:// address of a repository's page."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{repository}"


def upload(
    repository: str,
    files: Mapping[str, Path | bytes],
    *,
    adapter_sha256: str,
    private: bool = False,
    update: bool = False,
) -> Commit:
    """Upload files in one commit, into a new repository or one that holds this run.

    A repository that this command made and did not fill, since it was stopped, is empty and is
    filled; one that holds this adapter is brought up to date. What somebody else put there stays.

    Args:
        repository: `owner/name` on the hub.
        files: name in the repository -> a file, or what it holds.
        adapter_sha256: of the adapter's weights, which tell whether the repository is this run's.
        private: whether a new repository is private.
        update: upload into a repository that holds something else.

    Raises:
        SourceError: the hub refused it, cannot be reached, or has another thing of that name.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api: Any = HfApi()
    operations = [
        CommitOperationAdd(name, data if isinstance(data, bytes) else str(data))
        for name, data in files.items()
    ]
    with _one_line(repository):
        try:
            api.create_repo(repository, private=private, exist_ok=False)
        except HfHubHTTPError as error:
            if error.response.status_code != 409:
                raise
            if not update and (held := _held_by_others(api, repository, adapter_sha256)):
                raise SourceError(
                    f"{repository}: exists and holds {held}; choose another name, or put this run"
                    " beside what is there with --update"
                ) from None
        done = api.create_commit(repository, operations, commit_message="Adapter, card and record")
    return Commit(done.oid, f"{page_of(repository)}/tree/{done.oid}")


def _held_by_others(api: Any, repository: str, adapter_sha256: str) -> str:
    """Return what a repository holds that is not this run; empty where nothing is."""
    names = {item.rfilename for item in api.model_info(repository).siblings or ()}
    if not names - EMPTY_FILES:
        return ""
    found = api.get_paths_info(repository, [ADAPTER_WEIGHTS])
    digests = {item.lfs.sha256 for item in found if getattr(item, "lfs", None) is not None}
    if digests == {adapter_sha256}:
        return ""
    if digests:
        return "another adapter"
    others = len(names - EMPTY_FILES)
    return f"{others} other file{'s' * (others > 1)}"


@contextmanager
def _one_line(repository: str) -> Iterator[None]:
    """Turn every refusal and every fault of the network into one line.

    Raises:
        SourceError: there was one.
    """
    import httpx
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    # The library's warnings of each new try; what came of them is said below.
    log = logging.getLogger("huggingface_hub")
    before = log.level
    log.setLevel(logging.ERROR)
    bars = not are_progress_bars_disabled()
    if progress.silent or sys.stderr is None or not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    except (httpx.HTTPError, OSError, ValueError, RuntimeError) as found:
        raise _said(repository, found) from None
    finally:
        log.setLevel(before)
        if bars:
            enable_progress_bars()


def _said(repository: str, found: Exception) -> SourceError:
    """Return the one line of a refusal or a fault."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    error = found
    while isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # "Error while uploading x to the Hub." hides why
    if isinstance(error, HfHubHTTPError) and error.response.status_code < 500:
        advice = {
            401: "its token is missing or wrong: run `hf auth login`",
            403: f"this account may not write to {repository.split('/')[0]}: use its token, or"
            " another owner",
        }.get(error.response.status_code, "check the name, and the token of `hf auth login`")
        return SourceError(f"{repository}: the hub refused the upload ({_reason(error)}); {advice}")
    if isinstance(error, (httpx.HTTPError, OSError)):
        return SourceError(
            f"{repository}: the hub cannot be reached ({_reason(error)}); check the network and"
            " HF_HUB_OFFLINE, then run the same command again: nothing is published twice"
        )
    # Of the library's own transfers, LFS and Xet.
    return SourceError(
        f"{repository}: the upload failed ({_reason(error)}); run the same command again: what is"
        " there is not uploaded twice"
    )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
