"""However many decoders share the rows: the same labels, no row lost, no error unheard."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_run import EVALUATION_KEY

from harness.errors import EvaluationError, RecordError
from harness.evaluation import engine
from harness.evaluation.decoder.decode import Decoder
from harness.evaluation.decoder.loglikelihood import Labels, Weighed
from harness.evaluation.decoder.row_state import Decoded
from harness.evaluation.decoder.working_set import WorkingSet
from harness.evaluation.evaluated_run import EvaluatedRun, read_run
from harness.evaluation.journal import Journal
from harness.evaluation.session import evaluate

NAMES = ("fpb", "fiqa", "tfns")


@pytest.fixture(autouse=True)
def small_crews(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few lines each, so that rows come and go; no decoder may outlive its evaluation."""
    monkeypatch.setattr(engine, "MAX_LINES", {"cpu": 8})
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "decoder"]


def subject(run_dir: Path) -> EvaluatedRun:
    return read_run(run_dir, None, untrained=False)


def journals(run_dir: Path) -> dict[str, str]:
    names = [f"{name}{suffix}.jsonl" for name in NAMES for suffix in ("", ".loglikelihood")]
    return {name: (run_dir / "generations" / name).read_text() for name in names}


def without_weights(text: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in line.items() if k != "loglikelihoods"} for line in lines]


def test_labels_do_not_depend_on_the_number_of_decoders_nor_bits_on_their_speed(
    run_dir: Path,
) -> None:
    files = []
    for attempt, threads in enumerate((1, 2, 2)):
        evaluate(subject(run_dir), EVALUATION_KEY, quiet=True, threads=threads)
        files.append(journals(run_dir))
        (run_dir / "generations").rename(run_dir / f"attempt-{attempt}")
    one, two, again = files
    assert two == again
    for name in one:
        assert without_weights(one[name]) == without_weights(two[name])


def failing(real: Callable[..., Iterator[Decoded]], after: int) -> Callable[..., Iterator[Decoded]]:
    """Return a decode that fails in one decoder, the one that is given row 0."""

    def decode(self: Decoder, plans: Sequence[tuple[int, Any]]) -> Iterator[Decoded]:
        faulty = any(row == 0 for row, _ in plans)
        for count, done in enumerate(real(self, plans)):
            if faulty and count == after:
                raise EvaluationError("the third row is cursed")
            yield done

    return decode


def test_an_error_in_one_decoder_ends_the_evaluation_and_loses_no_finished_row(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: list[int] = []
    real = Decoder.decode

    def counted(self: Decoder, plans: Sequence[tuple[int, Any]]) -> Iterator[Decoded]:
        for done in real(self, plans):
            finished.append(done.row)
            yield done

    monkeypatch.setattr(Decoder, "decode", failing(counted, after=2))
    with pytest.raises(EvaluationError, match="the third row is cursed"):
        evaluate(subject(run_dir), EVALUATION_KEY, quiet=True, threads=2)
    kept = sum(
        len((run_dir / "generations" / f"{name}.partial.jsonl").read_text().splitlines())
        for name in NAMES
        if (run_dir / "generations" / f"{name}.partial.jsonl").is_file()
    )
    # The row at which the decoder failed was decoded, and not handed on.
    assert kept == len(finished) - 1 >= 2
    monkeypatch.setattr(Decoder, "decode", real)
    scores = evaluate(subject(run_dir), EVALUATION_KEY, quiet=True, threads=2)
    assert [item.examples for item in scores.scores] == [8] * 6


def test_a_row_that_cannot_be_written_stops_the_decoders(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Journal, row: int, value: dict[str, object]) -> None:
        raise RecordError("the disk is full")

    monkeypatch.setattr(Journal, "append", refuse)
    with pytest.raises(RecordError, match="the disk is full"):
        evaluate(subject(run_dir), EVALUATION_KEY, quiet=True, threads=2)


def test_units_go_to_whoever_is_free_and_their_bits_are_the_same(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.evaluation.decoder.loglikelihood.UNIT_ROWS", 3)
    real, taken = engine.weigh, [0, 0]

    def slow(working_set: WorkingSet, rows: Sequence[Labels]) -> Iterator[Weighed]:
        if not (known := working_set in sets):
            sets.append(working_set)
        which = sets.index(working_set)
        taken[which] += 1
        if which == 0:
            time.sleep(0.4 if known else 0.0)
        yield from real(working_set, rows)

    files = []
    for attempt, weighing in enumerate((real, slow)):
        sets: list[WorkingSet] = []
        monkeypatch.setattr(engine, "weigh", weighing)
        evaluate(subject(run_dir), EVALUATION_KEY, quiet=True, threads=2)
        files.append(journals(run_dir))
        (run_dir / "generations").rename(run_dir / f"attempt-{attempt}")
    assert files[0] == files[1]
    assert taken[1] >= taken[0] + 2, "the first is slow, so the other does more"
