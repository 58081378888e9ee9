"""`harness publish`: upload a run's adapter, card and record to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import RecordError, SourceError, UsageError
from harness.record.file_names import (
    ADAPTER_CONFIG_PATH,
    ADAPTER_WEIGHTS_PATH,
    CARD,
    LOSS_PLOT,
    RESULT,
)
from harness.submissions.check import check
from harness.verify.targets import Target

PUBLISHED_FILES = (
    CARD, RESULT, LOSS_PLOT, ADAPTER_CONFIG_PATH,
    ADAPTER_WEIGHTS_PATH,
)  # fmt: skip
"""What is uploaded; the adapter's files go to the top, where peft looks for them."""


def publish(
    run_dir: Path, repository: str, private: bool = False, dry_run: bool = False
) -> list[str]:
    """Upload a verified run.

    Args:
        run_dir: a run directory.
        repository: `owner/name` on the hub.
        private: whether a new repository is private.
        dry_run: upload nothing.

    Returns:
        The names of the files in the repository.

    Raises:
        UsageError: no run there, or a name that is not `owner/name`.
        RecordError: verify objects to the run.
        SourceError: the hub refused the upload, or cannot be reached.
    """
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise UsageError(f"repository {repository!r}; expected owner/name")
    present = [name for name in PUBLISHED_FILES if (run_dir / name).is_file()]
    if RESULT not in present or PUBLISHED_FILES[-1] not in present:
        raise UsageError(f"{run_dir}: no result.json and adapter; expected a finished run")
    found = check(Target("run", run_dir / RESULT, run_dir, str(run_dir)))
    if not found.clean:
        rules = ", ".join(sorted({item.rule for item in found.findings}))
        raise RecordError(f"{run_dir}: verify objects ({rules}); see: harness verify {run_dir}")
    names = {name: name.removeprefix("adapter/") for name in present}
    if not dry_run:
        upload(run_dir, repository, private, names)
    return sorted(names.values())


def upload(run_dir: Path, repository: str, private: bool, names: dict[str, str]) -> None:
    """Upload files of a run directory in one commit.

    Args:
        run_dir: where the files lie.
        repository: `owner/name` on the hub; made where it is missing.
        private: whether a new repository is private.
        names: file in the run directory -> its name in the repository.

    Raises:
        SourceError: the hub refused the upload, or cannot be reached.
    """
    import httpx
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api: Any = HfApi()
    operations = [
        CommitOperationAdd(path_in_repo=target, path_or_fileobj=str(run_dir / name))
        for name, target in names.items()
    ]
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        api.create_commit(repository, operations, commit_message="Adapter, card and record")
    except HfHubHTTPError as error:
        raise SourceError(
            f"{repository}: the hub refused the upload ({_reason(error)}); run `hf auth login`, or"
            " check the name"
        ) from None
    except (httpx.HTTPError, OSError) as error:
        raise SourceError(
            f"{repository}: the hub cannot be reached ({_reason(error)}); check the network and"
            " HF_HUB_OFFLINE, then run the same command again: nothing was published twice"
        ) from None


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
