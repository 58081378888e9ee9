"""A run as its evaluation sees it, read from what its directory holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.boards.challenge import Challenge
from harness.boards.protocol import BoardProtocol
from harness.boards.registry import protocol_of
from harness.boards.rows import OfficialSet
from harness.document import digest_of, read_document, sha256_file
from harness.errors import EvaluationError, how_to_finish
from harness.evaluation.inputs import check_files
from harness.evaluation.result_key import (
    DECODER_VERSION,
    ResultKey,
    deciding_versions,
    protocol_digest,
)
from harness.record.data import DataRecord
from harness.record.file_names import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, ASSETS, SPEC
from harness.sources.assets import Assets
from harness.sources.generation_config import GREEDY_NOTE
from harness.spec import RunSpec


@dataclass(frozen=True)
class EvaluatedRun:
    """A run as its evaluation sees it: spec, assets, adapter and device."""

    run_dir: Path
    spec: RunSpec
    assets: Assets
    challenge: Challenge
    adapter_dir: Path | None
    """None: the untrained base."""
    device: str

    @cached_property
    def protocol(self) -> BoardProtocol:
        """The board's object, made once."""
        return protocol_of(self.challenge)

    @property
    def model(self) -> DataRecord:
        """The base model's files, for the record."""
        return next(item for item in self.assets.data if item.kind == "model")

    @property
    def greedy_noted(self) -> bool:
        """Whether the record says that the model asks for something else than greedy decoding."""
        return any(note.startswith(GREEDY_NOTE) for note in self.model.notes)

    def key(self) -> ResultKey:
        """Return what the rows of this evaluation depend on."""
        folder = self.adapter_dir
        return ResultKey(
            adapter_sha256=None if folder is None else sha256_file(folder / ADAPTER_WEIGHTS),
            adapter_config_sha256=None if folder is None else sha256_file(folder / ADAPTER_CONFIG),
            model_sha256=self.model.sha256,
            protocol=protocol_digest(self.challenge),
            decoder_version=DECODER_VERSION,
            rows=self.spec.evaluation_rows,
            smoke=self.spec.smoke,
            device=self.device,
            packages=deciding_versions(),
        )


def read_run(run_dir: Path, device: str | None, untrained: bool) -> EvaluatedRun:
    """Read what a run directory holds for its evaluation.

    Args:
        run_dir: with `spec.json`, `assets.json` and `adapter/`.
        device: `cpu` or `cuda`; None: the spec's.
        untrained: leave the adapter out.

    Raises:
        RecordError: a document is missing or malformed.
        EvaluationError: the adapter is missing or a pickle, or the rules have changed.
    """
    spec = read_document(RunSpec, run_dir / SPEC)
    assets = read_document(Assets, run_dir / ASSETS)
    return opened(run_dir, spec, assets, device, untrained)


def opened(
    run_dir: Path, spec: RunSpec, assets: Assets, device: str | None, untrained: bool
) -> EvaluatedRun:
    """Return a run whose documents are known; see `read_run`.

    Args:
        run_dir: with `adapter/`.
        spec: the run's.
        assets: the run's.
        device: `cpu` or `cuda`; None: the spec's.
        untrained: leave the adapter out.

    Raises:
        EvaluationError: the adapter is missing or a pickle, or the rules have changed.
    """
    challenge = spec.rules()
    if digest_of(challenge) != spec.challenge.digest:
        raise EvaluationError(
            f"{run_dir}: run under {spec.challenge.id} with digest {spec.challenge.digest[:12]},"
            f" this harness has {digest_of(challenge)[:12]}; evaluate with the harness that ran it"
        )
    adapter = None if untrained else run_dir / ADAPTER
    if adapter is not None:
        if adapter.parent.is_dir() and not any(adapter.glob("*")):
            raise EvaluationError(f"{run_dir}: no adapter yet; {how_to_finish(run_dir)}")
        check_files(adapter)
    return EvaluatedRun(run_dir, spec, assets, challenge, adapter, device or spec.compute.device)


def official_sets(run: EvaluatedRun) -> dict[str, OfficialSet]:
    """Return task -> the rows that a run is evaluated on, each set's files read once.

    Raises:
        EvaluationError: the files do not give the official rows.
    """
    protocol = run.protocol
    if run.spec.smoke:
        return {i.task: protocol.smoke_rows(i.task) for i in run.challenge.evaluation}
    files = run.assets.evaluation_files
    return {
        item.task: protocol.rows(item.task, [Path(each) for each in files[item.task]])
        for item in run.challenge.evaluation
    }
