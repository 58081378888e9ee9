"""`harness submit`: a run directory becomes a self-contained folder under `submissions/`.

It holds what may be passed on (`harness.submissions.passed_on`), and nothing that verify refuses.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import run_directory
from harness.boards.open_division import filed_under
from harness.document import (
    parse_document,
    pretty_json,
    read_document,
    write_atomic,
)
from harness.document.units import MIB
from harness.errors import RecordError, UsageError
from harness.planning.eligibility import exercise_because
from harness.record.about import About
from harness.record.card import card
from harness.record.file_names import (
    ABOUT,
    ADAPTER_CONFIG_PATH,
    ADAPTER_WEIGHTS_PATH,
    CARD,
    LADDER,
    LOSS_PLOT,
    PUBLISHED,
    RESULT,
    ROW_BITS,
)
from harness.record.ladder import Rung, score_digest
from harness.record.result import ResultRecord
from harness.submissions.check import Checked, check, twins_of
from harness.submissions.passed_on import record_of_texts, texts_without_prompts
from harness.submissions.published import Published
from harness.verify.files.layout import SUBMISSION_NAME, SUBMISSION_NAME_IS
from harness.verify.files.png import critical_png
from harness.verify.read_submission import seal
from harness.verify.report import Finding, Verdict
from harness.verify.rules.evaluation.answers import source
from harness.verify.submission import Submission
from harness.verify.targets import Target, refuse_claim

MAX_WEIGHTS_BYTES = 4 * MIB
"""Largest adapter that may lie in the repository itself; a larger one lies on the hub."""


class RefusedError(RecordError):
    """Verify objects to what would be submitted."""

    def __init__(
        self, message: str, findings: list[Finding], verdict: Verdict | None = None
    ) -> None:
        """Keep beside the message what was found and what it comes to."""
        super().__init__(message)
        self.findings = findings
        self.verdict = verdict


def submit(
    run_dir: Path,
    submissions: Path,
    name: str | None = None,
    stated: Mapping[str, Any] | None = None,
    weights: bool = False,
) -> Path:
    """Write the submission of a finished run.

    Args:
        run_dir: a run directory with `result.json`.
        submissions: the folder `submissions/`.
        name: of the submission; None: plugin, recipe and a part of the spec's digest.
        stated: what the submitter says: fields of `About`, its date and command left out; of
            `adapter` only `repository` and `revision`. Without an `adapter` it is where
            `harness publish` put this one.
        weights: put the adapter's weights into the folder too.

    Returns:
        The folder that was written.

    Raises:
        RefusedError: verify finds an error in the run or in what would be submitted, or it is a
            smoke run or of a part of the rows.
        UsageError: no run there, an unusable name, one that is taken, weights that are missing or
            too large, or a statement that is none.
    """
    refuse_claim(run_dir)
    submission = _whole_run(run_dir)
    folder = _new_folder(submissions, submission.record, name)
    said = dict(stated or {})
    if said.get("adapter") is None:
        said["adapter"] = _published(run_dir, submission.record)
    about = _about(submission.record, run_directory.read_command(run_dir), said)
    if weights:
        refuse_weights(run_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and moved there whole, so that a refused submission leaves nothing.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".submit-") as temporary:
        place = Path(temporary) / "submissions" / folder.parent.name / folder.name
        _write(submission, run_dir, place, about)
        if weights:
            shutil.copyfile(run_dir / ADAPTER_WEIGHTS_PATH, place / ADAPTER_WEIGHTS_PATH)
            seal(place)
        filed = (folder.parent.name, folder.name)
        written = check(Target("submission", place / RESULT, place, str(place), filed))
        _accepted(written, run_dir)
        if written.filed is not None and (twins := twins_of(written.filed, submissions)):
            raise RefusedError(
                f"{run_dir}: filed already, as {twins[0].found.rpartition(' of ')[2]}", twins
            )
        shutil.move(place, folder)
    return folder


def _whole_run(run_dir: Path) -> Submission:
    """Return a finished run that verify accepts and that is no exercise."""
    run_directory.refuse_unfinished(run_dir)
    checked = check(Target("run", run_dir / RESULT, run_dir, str(run_dir)))
    submission = _accepted(checked, run_dir)
    exercise = exercise_because(submission.record.spec)
    if exercise:
        raise RefusedError(
            f"{run_dir}: {exercise[0]}; only whole runs are filed",
            checked.findings,
            checked.verdict,
        )
    return submission


def _new_folder(submissions: Path, record: ResultRecord, name: str | None) -> Path:
    """Return where a run is filed; `name` is as `submit` takes it.

    Raises:
        UsageError: an unusable name, or one that is taken.
    """
    chosen = name or _default_name(record)
    if not SUBMISSION_NAME.fullmatch(chosen):
        raise UsageError(f"name {chosen!r:.80}: use {SUBMISSION_NAME_IS}")
    folder = submissions / filed_under(record.challenge.id, record.spec.open) / chosen
    if folder.exists():
        raise UsageError(f"{folder} exists; choose another --name, or remove it first")
    return folder


def _default_name(record: ResultRecord) -> str:
    """Return `<plugin>-<recipe>-<first digits of the spec's digest>`."""
    smoke = "-smoke" if record.spec.smoke else ""
    return f"{record.spec.plugin}-{record.spec.recipe}{smoke}-{record.spec_digest[:8]}".lower()


def _accepted(checked: Checked, run_dir: Path) -> Submission:
    errors = [item for item in checked.findings if item.severity == "error"]
    if errors or checked.submission is None:
        rules = ", ".join(sorted({item.rule for item in errors}))
        raise RefusedError(
            f"{run_dir}: verify refuses it ({rules}); see: harness verify"
            f" {shlex.quote(str(run_dir))}",
            checked.findings,
            checked.verdict,
        )
    return checked.submission


def _about(record: ResultRecord, command: tuple[str, ...], stated: Mapping[str, Any]) -> About:
    """Return what `about.json` says.

    Raises:
        UsageError: a statement has not the form that it needs.
    """
    adapter = stated.get("adapter")
    if adapter is not None:
        known = {"sha256": record.adapter.sha256, "bytes": record.adapter.file_bytes}
        adapter = {**adapter, **known}
    value = {**stated, "adapter": adapter, "date": _now(), "command": command}
    try:
        return parse_document(About, value, "what is stated")
    except RecordError as error:
        raise UsageError(f"{error}; change the option") from None


def _published(run_dir: Path, record: ResultRecord) -> dict[str, str] | None:
    """Return repository and commit of the run's adapter, where `harness publish` has put it."""
    if not (run_dir / PUBLISHED).is_file():
        return None
    found = read_document(Published, run_dir / PUBLISHED)
    if found.adapter_sha256 != record.adapter.sha256:
        return None  # of another run, which was made in this directory before
    return {"repository": found.repository, "revision": found.revision}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def refuse_weights(run_dir: Path) -> None:
    """Check that a run's adapter may lie in the repository itself.

    Raises:
        UsageError: it is not there, or too large.
    """
    path = run_dir / ADAPTER_WEIGHTS_PATH
    if not path.is_file():
        raise UsageError(f"{path}: not there; leave --weights out, or finish the run")
    if path.stat().st_size > MAX_WEIGHTS_BYTES:
        raise UsageError(
            f"{path}: {path.stat().st_size / MIB:.1f} MiB; at most {MAX_WEIGHTS_BYTES // MIB} MiB"
            " may lie in the repository: publish it (harness publish) and name it with --adapter"
        )


def _write(submission: Submission, run_dir: Path, folder: Path, about: About) -> None:
    missing = [s.task for s in submission.record.scores if source(s) not in submission.generations]
    if missing:
        raise UsageError(
            f"{run_dir}: no generations of {', '.join(missing)}; run: harness evaluate"
            f" {shlex.quote(str(run_dir))}"
        )
    texts = texts_without_prompts(submission)
    for name, text in texts.items():
        write_atomic(folder / f"generations/{name}.jsonl", text)
    value = record_of_texts(submission, texts)
    record = ResultRecord.model_validate(value)
    write_atomic(folder / RESULT, pretty_json(value))
    bits = {name: i.bits for name, i in sorted(submission.generations.items()) if "." not in name}
    write_atomic(folder / ROW_BITS, pretty_json(bits))
    write_atomic(folder / ADAPTER_CONFIG_PATH, pretty_json(dict(submission.adapter_config or {})))
    value = about.model_dump(mode="json", by_alias=True, exclude_none=True)
    write_atomic(folder / ABOUT, pretty_json(value))
    write_atomic(folder / CARD, card(record, submission.challenge, about.command))
    if (run_dir / LOSS_PLOT).is_file():
        write_atomic(folder / LOSS_PLOT, critical_png((run_dir / LOSS_PLOT).read_bytes()))
    rungs = []
    if submission.protocol.rederivable:
        rung = Rung(
            level="rescored",
            date=about.date,
            command=f"harness submit {folder.name}",
            digest=score_digest({s.task: s for s in record.scores if s.metric == "accuracy"}),
        )
        rungs.append(rung.model_dump(mode="json"))
    write_atomic(folder / LADDER, pretty_json(rungs))
    seal(folder)
