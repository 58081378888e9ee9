"""`harness publish`: a verified run becomes a repository on the Hugging Face hub."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import run_directory
from harness.document import parse_document, pretty_json, write_atomic
from harness.errors import RecordError, UsageError
from harness.planning.eligibility import exercise_because
from harness.publishing.eval_results import eval_results
from harness.publishing.every_eval_ever import evaluation_record, record_path
from harness.publishing.hub import page_of, upload
from harness.record.card import card_in_repository
from harness.record.file_names import (
    ADAPTER_CONFIG_PATH,
    ADAPTER_WEIGHTS_PATH,
    CARD,
    LOSS_PLOT,
    PUBLISHED,
    RESULT,
)
from harness.record.result import ResultRecord
from harness.submissions.check import check
from harness.submissions.published import Published
from harness.verify.targets import Target

RUN_FILES = (CARD, RESULT, LOSS_PLOT, ADAPTER_CONFIG_PATH, ADAPTER_WEIGHTS_PATH)
"""What is uploaded of a run; the adapter's files go to the top, where peft looks for them."""

UNUSABLE = ("--", "..")
"""What no name of a repository holds. Source: `huggingface_hub`'s own check of names."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A run in the form in which it is published."""

    run_dir: Path
    repository: str
    record: ResultRecord
    files: dict[str, Path | bytes]
    """Name in the repository -> a file, or what it holds."""
    left_out: str
    """Why the scores are in no form that others read; empty where they are."""

    def write(self, folder: Path) -> None:
        """Write the repository's files into a folder.

        Raises:
            UsageError: there is something in it.
        """
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; choose another --folder")
        for name, data in self.files.items():
            write_atomic(folder / name, data if isinstance(data, bytes) else data.read_bytes())

    def upload(self, private: bool = False, update: bool = False) -> Published:
        """Upload the files, and note in the run directory where they are.

        Args:
            private: whether a new repository is private.
            update: upload into a repository that holds something else.

        Raises:
            SourceError: the hub refused it, cannot be reached, or has another thing of that name.
        """
        digest = self.record.adapter.sha256
        commit = upload(
            self.repository, self.files, adapter_sha256=digest, private=private, update=update
        )
        done = Published(
            repository=self.repository,
            revision=commit.revision,
            address=commit.address,
            adapter_sha256=digest,
            files=tuple(sorted(self.files)),
        )
        text = pretty_json(done.model_dump(mode="json", by_alias=True))
        write_atomic(self.run_dir / PUBLISHED, text)
        return done


def publication(
    run_dir: Path, repository: str, forms: Mapping[str, Path | bytes] | None = None
) -> Publication:
    """Return what of a verified run is published.

    Args:
        run_dir: a run directory.
        repository: `owner/name` on the hub.
        forms: other forms of the model, by their names in the repository.

    Raises:
        UsageError: no finished run there, or a name that no repository has.
        RecordError: verify objects to the run.
    """
    _refuse_name(repository)
    run_directory.refuse_unfinished(run_dir)
    present = [name for name in RUN_FILES if (run_dir / name).is_file()]
    if ADAPTER_WEIGHTS_PATH not in present:
        raise UsageError(
            f"{run_dir}: no {ADAPTER_WEIGHTS_PATH}; expected a run directory, which has its adapter"
        )
    found = check(Target("run", run_dir / RESULT, run_dir, str(run_dir)))
    if not found.clean or found.submission is None:
        rules = ", ".join(sorted({item.rule for item in found.findings}))
        see = f"harness verify {shlex.quote(str(run_dir))}"
        raise RecordError(f"{run_dir}: verify objects ({rules}); see: {see}")
    record = found.submission.record
    files: dict[str, Path | bytes] = {
        name.removeprefix("adapter/"): run_dir / name for name in present
    }
    if CARD in files:
        text = (run_dir / CARD).read_text("utf-8")
        files[CARD] = card_in_repository(text, repository).encode()
    exercise = exercise_because(record.spec)
    if not exercise:
        challenge = record.spec.rules()
        command = run_directory.read_command(run_dir)
        files |= eval_results(record, challenge, page_of(repository))
        files[record_path(record, repository)] = evaluation_record(
            record, challenge, repository, command
        )
    files |= forms or {}
    return Publication(run_dir, repository, record, files, exercise[0] if exercise else "")


def _refuse_name(repository: str) -> None:
    example = {"repository": repository, "revision": "main", "address": "", "files": ()}
    try:
        parse_document(Published, {**example, "adapter_sha256": "0" * 64}, repository)
        known = not any(part in repository for part in UNUSABLE) and repository[-4:] != ".git"
    except RecordError:
        known = False
    if not known:
        raise UsageError(f"repository {repository!r:.120}; expected owner/name")
