"""The files of a submission: which there may be, how large, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.document.exact import parse_exactly
from harness.document.reading import STRANGER, decode, parse_json
from harness.document.units import MIB
from harness.errors import RecordError
from harness.record.about import About
from harness.record.file_names import (
    ABOUT,
    ADAPTER_CONFIG_PATH,
    ADAPTER_WEIGHTS_PATH,
    CARD,
    ISOLATION,
    LADDER,
    LOSS_PLOT,
    MANIFEST,
    RESULT,
    ROUNDS,
    ROW_BITS,
    SPEC,
)
from harness.record.ladder import Evidence, Rung, parse_ladder
from harness.verify.files.generations import parse_generations
from harness.verify.files.png import fault_of_png
from harness.verify.files.run_generations import parse_run_generations

MAX_FILES = 200
"""Files of a submission."""

MAX_RUN_ENTRIES = 100_000
"""Files of a run directory: it holds logs, checkpoints and what clients keep beside its results."""

SUBMISSION_NAME = re.compile(
    r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:[./]|\Z))[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?"
)
"""Name of a submission's folder. Windows can check out no folder that is named as a device is or
ends with a dot. Source: Microsoft, `Naming Files, Paths, and Namespaces`."""
SUBMISSION_NAME_IS = (
    "a-z, 0-9, dot, underscore and hyphen, with no dot at the end and not a device's (con, nul)"
)

MAX_BYTES = {
    "raw": 16 * MIB,
    "adapter_config": MIB // 4,
    "adapter_weights": 2048 * MIB,
    "generations": 32 * MIB,
    "row_bits": MIB,
    "manifest": MIB // 4,
    "ladder": MIB // 4,
    "evidence": MIB,
    "card": MIB // 4,
    "about": MIB // 8,
    "loss_plot_fault": MIB // 2,
}
"""Field of a `Submission` -> largest file that it is read from."""

MAX_RUN_GENERATIONS_BYTES = 64 * MIB
"""Generations of a run directory hold their prompts."""

Parser = Callable[[bytes, str], Any]
"""(the file's bytes, its name for messages) -> its value. Raises HarnessError."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file."""

    field: str
    """Where its value goes in a `Submission`; by name, where the pattern has a group."""
    parse: Parser | None
    """None for weights, which are too large to hold and are read in one pass."""
    max_bytes: int


def _value(data: bytes, name: str) -> Any:
    return parse_json(decode(data, name), name, STRANGER)


def _text(data: bytes, name: str) -> str:
    return decode(data, name)


def _config(data: bytes, name: str) -> dict[str, Any] | None:
    value = _value(data, name)
    return value if isinstance(value, dict) else None


def _png_fault(data: bytes, name: str) -> str | None:
    return fault_of_png(data)


def _row_bits(data: bytes, name: str) -> dict[str, str]:
    value = _value(data, name)
    usable = isinstance(value, dict) and all(
        isinstance(item, str) and set(item) <= {"0", "1"} for item in value.values()
    )
    if not usable:
        raise RecordError(f'{name}: {value!r:.80}; expected task -> a text of "0" and "1"')
    return dict(value)


def _manifest(data: bytes, name: str) -> dict[str, tuple[int, str]]:
    value = _value(data, name)
    files = value.get("files") if isinstance(value, dict) else None
    if not isinstance(files, dict) or set(value) != {"files"}:
        raise RecordError(f'{name}: not a manifest; expected {{"files": {{...}}}}')
    manifest: dict[str, tuple[int, str]] = {}
    for file, item in files.items():
        if not isinstance(item, dict) or set(item) != {"bytes", "sha256"}:
            raise RecordError(f"{name}: {file!r:.80} has no bytes and sha256; write both")
        size, digest = item["bytes"], item["sha256"]
        if type(size) is not int or not isinstance(digest, str):
            raise RecordError(f"{name}: {file!r:.80} has values of wrong types")
        manifest[file] = (size, digest)
    return manifest


def _lines(data: bytes, name: str) -> list[Any]:
    """Return the values of a file that has one on each line, as one document of bounded size."""
    lines = decode(data, name).splitlines()
    return list(parse_json("[" + ",\n".join(lines) + "]", name, STRANGER))


def _ladder(data: bytes, name: str) -> tuple[Rung, ...]:
    return parse_ladder(_value(data, name), name)


def _about(data: bytes, name: str) -> About:
    return parse_exactly(About, _value(data, name), name)


def _evidence(data: bytes, name: str) -> Evidence:
    item = parse_exactly(Evidence, _value(data, name), name)
    if name != f"evidence/{item.level}.json":
        raise RecordError(f"{name}: of level {item.level}; expected the level it is named for")
    return item


_PARSERS: dict[str, tuple[str, Parser | None]] = {
    re.escape(RESULT): ("raw", _value),
    re.escape(ADAPTER_CONFIG_PATH): ("adapter_config", _config),
    re.escape(ADAPTER_WEIGHTS_PATH): ("adapter_weights", None),
    r"generations/([a-z0-9_-]{1,40}(?:\.loglikelihood)?)\.jsonl":
        ("generations", parse_generations),
    re.escape(ROW_BITS): ("row_bits", _row_bits),
    re.escape(MANIFEST): ("manifest", _manifest),
    re.escape(LADDER): ("ladder", _ladder),
    r"evidence/([a-z0-9-]{1,40})\.json": ("evidence", _evidence),
    re.escape(ABOUT): ("about", _about),
    re.escape(CARD): ("card", _text),
    re.escape(LOSS_PLOT): ("loss_plot_fault", _png_fault),
}  # fmt: skip
"""Pattern of a file's name -> (field of a `Submission`, parser)."""

SUBMISSION_FILES: Mapping[str, Kind] = {
    name: Kind(field, parse, MAX_BYTES[field]) for name, (field, parse) in _PARSERS.items()
}

RUN_FILES: Mapping[str, Kind] = {
    name: Kind("generations", parse_run_generations, MAX_RUN_GENERATIONS_BYTES)
    if kind.field == "generations"
    else kind
    for name, kind in SUBMISSION_FILES.items()
    if kind.field not in ("card", "loss_plot_fault", "about")
} | {
    f"({re.escape(name)})": Kind("stages", parse, MAX_BYTES["raw"])
    for name, parse in ((SPEC, _value), (ROUNDS, _lines), (ISOLATION, _value))
}
"""The same of a run directory: its card and plot are made anew with every result, its generations
hold the prompts, and what its stages wrote is there."""


def kind_of(name: str, files: Mapping[str, Kind]) -> tuple[Kind, str | None] | None:
    """Return what a file is, and the part of its name that tells it from others of its kind."""
    for pattern, kind in files.items():
        match = re.fullmatch(pattern, name)
        if match:
            return kind, match.group(1) if match.groups() else None
    return None
