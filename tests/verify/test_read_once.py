"""Each file of a submission is opened once: what was digested is what is judged."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission

from harness.document import sha256_file
from harness.document.reading import MAX_VALUES
from harness.record.file_names import ADAPTER_WEIGHTS_PATH
from harness.submissions.check import check, verify
from harness.verify.targets import Target, find_targets

FOLDER = "submissions/finance/pretend"

_watchers: list[Callable[[str], None]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watchers and isinstance(arguments[0], str | os.PathLike):
        for watcher in tuple(_watchers):
            watcher(os.fspath(arguments[0]))


sys.addaudithook(_hook)  # An audit hook stays for good, so that this one asks whom to tell.


@contextmanager
def watching(watcher: Callable[[str], None]) -> Iterator[None]:
    """Tell `watcher` the path of every file that this process opens, before it is opened."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def whole_submission(root: Path) -> Path:
    """Write a submission with a file of every kind."""
    submission = Submission()
    submission.add_weights()
    submission.ladder = []
    submission.evidence = {"re-run": {"level": "re-run"}}
    submission.extra["loss.png"] = b"no picture"
    submission.extra["ladder.json"] = b"[]"
    return submission.write(root / FOLDER)


def run_directory(root: Path) -> Path:
    """Write a run directory with a file of every kind, and some that verify does not look at."""
    folder = whole_submission(root / "source").rename(root / "run")
    for name in ("manifest.json", "rows.json"):
        (folder / name).unlink()
    for path in (folder / "generations").iterdir():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        lines = [
            {
                "context": "?",
                "new_target": r["target"],
                "new_out": r["label"],
                "output": r["output"],
            }
            for r in rows
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "spec.json").write_text("{}")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "round-000001.safetensors").write_bytes(b"")
    return folder


@pytest.mark.parametrize("make", [whole_submission, run_directory])
def test_every_file_is_opened_once(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path)
    opened: Counter[str] = Counter()

    def count(path: str) -> None:
        if Path(path).is_relative_to(folder) and Path(path).is_file():
            opened[Path(path).relative_to(folder).as_posix()] += 1

    [target] = find_targets(folder)
    assert target.kind == ("run" if make is run_directory else "submission")
    with watching(count):
        result = check(target)
    assert result.submission is not None
    assert set(opened.values()) == {1}
    assert opened.keys() == result.submission.digests.keys()
    others = {"checkpoints/round-000001.safetensors", "README.md", "loss.png"}
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert present - opened.keys() == (others if target.kind == "run" else set())


def test_a_claim_is_opened_once(tmp_path: Path) -> None:
    path = tmp_path / "claim.json"
    path.write_text("{}")
    opened: list[str] = []
    with watching(opened.append):
        check(Target("claim", path, tmp_path, "claim"))
    assert opened.count(str(path)) == 1


def other_output(submission: Submission) -> None:
    submission.generations["fpb"][0][3] = " no label at all"
    submission.redigest()


def other_bits(submission: Submission) -> None:
    submission.bits = {task: "1" * len(rows) for task, rows in submission.generations.items()}


def other_average(submission: Submission) -> None:
    submission.record["average"] = 1.0


def other_weights(submission: Submission) -> None:
    data = submission.extra[ADAPTER_WEIGHTS_PATH]
    submission.extra[ADAPTER_WEIGHTS_PATH] = data[:-1] + bytes([data[-1] ^ 1])
    digest = hashlib.sha256(submission.extra[ADAPTER_WEIGHTS_PATH]).hexdigest()
    submission.record["adapter"]["sha256"] = digest


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("generations/fpb.jsonl", other_output),
        ("rows.json", other_bits),
        ("result.json", other_average),
        (ADAPTER_WEIGHTS_PATH, other_weights),
    ],
)
def test_a_file_that_is_exchanged_at_its_second_reading_is_judged_by_its_first(
    name: str, change: Callable[[Submission], None], tmp_path: Path
) -> None:
    """The file on disk is bad, and every digest is of it; whoever opens it again finds a good one,
    of which everything but the digests would be accepted."""
    submission = Submission()
    submission.add_weights()
    good = submission.files()[name]
    change(submission)
    folder = submission.write(tmp_path / FOLDER)
    opened: list[str] = []

    def exchange(path: str) -> None:
        if path == str(folder / name):
            opened.append(path)
            if len(opened) == 2:
                (folder / name).write_bytes(good)

    with watching(exchange):
        assert not verify([folder]).clean


def test_digests_are_of_the_bytes_on_disk(tmp_path: Path) -> None:
    folder = whole_submission(tmp_path)
    submission = check(next(find_targets(folder))).submission
    assert submission is not None
    for name, (size, digest) in submission.digests.items():
        assert digest == sha256_file(folder / name)
        assert size == (folder / name).stat().st_size


def hostile_record(keys: int) -> str:
    """Return a record with so many fields of no meaning, of which the last is there twice."""
    record = json.dumps(Submission().record)
    fields = ",".join(f'"k{n}":1' for n in range(keys))
    return f'{record[:-1]},{fields},"k{keys - 1}":1}}'


def test_a_record_of_1_200_000_keys_is_refused_in_a_second(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(hostile_record(1_200_000))
    begin = time.process_time()
    [finding] = verify([tmp_path / "result.json"]).findings
    assert time.process_time() - begin < 1
    assert finding.rule == "readable"
    assert f"more than {MAX_VALUES} values" in finding.found


def test_unknown_fields_without_number_are_one_finding(tmp_path: Path) -> None:
    text = hostile_record(90_000)
    text = text[: text.rindex(',"k')] + "}"
    (tmp_path / "result.json").write_text(text)
    [finding] = verify([tmp_path / "result.json"]).findings
    assert finding.rule == "schema"
    assert "90000 fields are missing, unknown or of a wrong type" in finding.found
