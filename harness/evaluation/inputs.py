"""What is evaluated is what the run was made with: model, adapter and data, digested once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.boards.challenge import Challenge
from harness.document import sha256_file
from harness.document.safetensors_header import read_header
from harness.errors import EvaluationError, HarnessError
from harness.record.data import DataRecord
from harness.record.file_names import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from harness.sources.assets import Assets
from harness.sources.models import model_files
from harness.spec import RunSpec

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


def check_files(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of the adapter's tensors, from the header alone.

    Raises:
        EvaluationError: a file is missing, or the weights are a pickle or no safetensors file.
    """
    if not (folder / ADAPTER_WEIGHTS).is_file():
        pickles = [item.name for item in folder.glob("*") if item.suffix in PICKLES]
        if pickles:
            raise EvaluationError(
                f"{folder / pickles[0]}: a pickle can run code when it is read and is refused;"
                f" save the adapter as {ADAPTER_WEIGHTS}"
            )
        raise EvaluationError(
            f"{folder}: no {ADAPTER_WEIGHTS}; expected an adapter in peft's format"
        )
    if not (folder / ADAPTER_CONFIG).is_file():
        raise EvaluationError(
            f"{folder}: no {ADAPTER_CONFIG}; expected an adapter in peft's format"
        )
    try:
        return read_header(folder / ADAPTER_WEIGHTS).shapes
    except HarnessError as error:
        raise EvaluationError(str(error)) from None


def refuse_other_inputs(
    spec: RunSpec,
    challenge: Challenge,
    assets: Assets,
    adapter_dir: Path | None,
    adapter_sha256: str | None,
) -> None:
    """Compare every file that an evaluation reads with what is known of it.

    Args:
        spec: the run.
        challenge: its rules.
        assets: where the files lie, and their digests when the run began.
        adapter_dir: folder of the adapter; None for the untrained base.
        adapter_sha256: of the weights that the run made; None where nothing says so.

    Raises:
        EvaluationError: a file is another one, is missing, or one has come; it is named.
    """
    for path, expected in _known(spec, challenge, assets):
        _compare(path, expected)
    if adapter_dir is not None and adapter_sha256 is not None:
        _compare(adapter_dir / ADAPTER_WEIGHTS, adapter_sha256)


def _known(spec: RunSpec, challenge: Challenge, assets: Assets) -> Iterator[tuple[Path, str]]:
    """Yield each file with the digest that it had; "" for one that was not there."""
    records = {(item.kind, item.name): item for item in assets.data}
    model = records["model", spec.model.hub_id]
    folder = Path(assets.model_dir)
    names = {*model.files, *model_files(folder, spec.model.trust_remote_code)}
    for name in sorted(names):
        yield folder / name, model.files.get(name, "")
    if assets.training_file is not None:
        training = records["training", challenge.dataset.name]
        yield Path(assets.training_file), _digest(training, Path(assets.training_file))
    for item in challenge.evaluation:
        for text in assets.evaluation_files.get(item.task, ()):
            record = records["evaluation", challenge.record_name(item)]
            yield Path(text), _digest(record, Path(text))


def _digest(record: DataRecord, path: Path) -> str:
    """Return the recorded digest of a data file, whose record names it relative to its folder."""
    files: Mapping[str, str] = record.files
    for name, digest in sorted(files.items(), key=lambda item: -len(item[0])):
        if path.as_posix().endswith(f"/{name}"):
            return digest
    return record.sha256


def _compare(path: Path, expected: str) -> None:
    found = sha256_file(path) if path.is_file() else ""
    if found != expected:
        raise EvaluationError(
            f"{path}: {_shown(found)}, when the run was made {_shown(expected)}; put that back and"
            " evaluate again, or start a new run"
        )


def _shown(digest: str) -> str:
    return f"sha256 {digest[:12]}" if digest else "no such file"
