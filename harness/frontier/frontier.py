"""Accuracy against bytes and seconds over the rounds that a run has kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

from harness.document import Document, digest_of, read_document, write_document
from harness.errors import RecordError, UsageError
from harness.evaluation.evaluated_run import official_sets, read_run
from harness.evaluation.held_out_row import HeldOutAnswers, HeldOutRow
from harness.evaluation.sealed.launch import answer_rows
from harness.frontier.held_out_rows import held_out_rows
from harness.frontier.kept_rounds import ROUNDS_FOLDER, kept_rounds, recorded_rounds, round_folder
from harness.leaderboard.compare import LEVEL
from harness.progress import format_duration, say
from harness.record.federation import RoundRecord
from harness.record.file_names import ASSETS, SCORES, SPEC
from harness.record.score import Scores, average
from harness.run_directory import as_asked
from harness.scoring.statistics import bootstrap_interval

ANSWERS = "held_out.json"


class KeptAnswers(Document):
    """`held_out.json`: the answers of one round, and to which rows."""

    rows_sha256: str
    answers: HeldOutAnswers


class _Rows(Document):
    rows: tuple[HeldOutRow, ...]


def called(number: int) -> str:
    """Return what a round is called in sentences; round 0 is the untrained base."""
    return f"round {number}" if number else "the untrained base"


@dataclass(frozen=True, slots=True)
class Point:
    """One round of a frontier; round 0 is the untrained base."""

    round: int
    bytes_total: int
    """Sent and received up to and with it."""
    seconds: float
    """That the rounds up to and with it took."""
    train_loss: float | None
    right: tuple[bool, ...]
    official: float | None
    """Plain mean of the official accuracies, where they were measured for this round."""

    @property
    def name(self) -> str:
        """What it is called in sentences."""
        return called(self.round)

    @property
    def value(self) -> float:
        """Accuracy over the held-out rows."""
        return sum(self.right) / len(self.right)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the accuracy, by bootstrap over the rows."""
        return bootstrap_interval(sum(self.right), len(self.right))


@dataclass(frozen=True, slots=True)
class Frontier:
    """The kept rounds of a run, first to last, and the best of them by rows held out."""

    path: Path
    label: str
    points: tuple[Point, ...]
    rows_sha256: str

    @property
    def best(self) -> Point:
        """The round with the most right answers; the earliest of several."""
        return max(self.points, key=lambda point: (sum(point.right), -point.round))

    @property
    def cheapest(self) -> Point:
        """The earliest round that is not told apart from the best one."""
        return next(p for p in self.points if self.p_of_best(p) >= LEVEL)

    def p_of_best(self, point: Point) -> float:
        """Return the two-sided p value of a round being as good as the best, an exact sign test."""
        pairs = zip(point.right, self.best.right, strict=True)
        changed = [ours for ours, best in pairs if ours != best]
        count, few = len(changed), min(sum(changed), len(changed) - sum(changed))
        return min(1.0, 2 * sum(comb(count, k) for k in range(few + 1)) / (1 << count))

    def undominated(self) -> set[int]:
        """Return the rounds that no earlier, hence cheaper, round is as good as."""
        found, most = set(), -1
        for point in self.points:
            if sum(point.right) > most:
                found.add(point.round)
                most = sum(point.right)
        return found


def frontier(
    run_dir: Path,
    rows: int,
    device: str | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Frontier:
    """Return the frontier of a run, evaluating the rounds that were not yet on these rows.

    Args:
        run_dir: a run directory, finished or not.
        rows: held-out rows to choose by.
        device: `cpu` or `cuda`; None: the run's.
        threads: processors to use; None: all.
        quiet: print no progress.

    Raises:
        UsageError: no round was kept, or no rows are held out.
        HarnessError: whatever the evaluating process met, of its own kind.
    """
    for name in (SPEC, ASSETS):
        if not (run_dir / name).is_file():
            raise UsageError(f"{run_dir}: no {name}; expected a run directory of harness run")
    recorded = recorded_rounds(run_dir)
    kept = kept_rounds(run_dir, recorded)
    if not kept:
        raise UsageError(
            f"{run_dir}: no adapter of a round was kept; a run keeps every round with --set"
            " save_every_rounds=1"
        )
    base = read_run(run_dir, device, untrained=True)
    texts = (text for item in official_sets(base).values() for text, _ in item.examples)
    held_out = held_out_rows(
        base.spec, base.challenge, base.assets.training_file, recorded, texts, rows
    )
    digest = digest_of(_Rows(rows=held_out))

    folders: dict[int, tuple[Path, str | None]] = {
        0: (as_asked(run_dir, _folder(run_dir, 0)), None)
    }
    folders |= {number: round_folder(run_dir, number) for number in kept}
    found = {
        number: _kept_answers(folder, digest, adapter)
        for number, (folder, adapter) in folders.items()
    }
    missing = [number for number, answers in found.items() if answers is None]
    progress = _Progress(len(held_out), missing, quiet)
    for number in missing:
        progress.begin(number)
        folder, adapter = folders[number]
        answers = answer_rows(folder, held_out, device, threads, quiet, adapter)
        whole = KeptAnswers(rows_sha256=digest, answers=answers)
        write_document(folder / ANSWERS, whole)
        found[number] = answers
    right = {number: answers.right for number, answers in found.items() if answers is not None}
    points = [Point(0, 0, 0.0, None, right[0], _official(run_dir / "untrained"))]
    last = base.spec.train.rounds
    for number in kept:
        scored = run_dir if number == last else _folder(run_dir, number)
        points.append(_point(scored, recorded, number, right[number]))
    return Frontier(run_dir, base.spec.label, tuple(points), digest)


class _Progress:
    """Says what is to be answered, and from the first model on how long the others will take."""

    def __init__(self, rows: int, missing: Sequence[int], quiet: bool) -> None:
        self.missing, self.quiet = missing, quiet
        self.start = time.monotonic()
        if missing and not quiet:
            count = len(missing)
            say(
                f"frontier: {rows} held-out rows by each of {count}"
                f" model{'' if count == 1 else 's'}, {rows * count:,} answers"
            )

    def begin(self, number: int) -> None:
        """Say which model is asked now."""
        done, count = self.missing.index(number), len(self.missing)
        left_s = (time.monotonic() - self.start) * (count - done) / done if done else None
        left = "" if left_s is None else f", about {format_duration(left_s)} left"
        if not self.quiet:
            say(f"frontier: {called(number)}, {done + 1} of {count}{left}")


def _point(
    scored: Path, recorded: Sequence[RoundRecord], number: int, right: tuple[bool, ...]
) -> Point:
    """Return one round's point; `scored` is where its official scores would lie."""
    before = [item for item in recorded if item.round <= number]
    return Point(
        round=number,
        bytes_total=sum(item.bytes_down + item.bytes_up for item in before),
        seconds=sum(item.duration_s for item in before),
        train_loss=before[-1].train_loss,
        right=right,
        official=_official(scored),
    )


def _folder(run_dir: Path, number: int) -> Path:
    return run_dir / ROUNDS_FOLDER / str(number)


def _official(folder: Path) -> float | None:
    if not (folder / SCORES).is_file():
        return None
    return average(read_document(Scores, folder / SCORES).scores)


def _kept_answers(folder: Path, digest: str, adapter: str | None) -> HeldOutAnswers | None:
    """Return the answers that an earlier session kept, if to these rows by this adapter."""
    path = folder / ANSWERS
    if not path.is_file():
        return None
    try:
        kept = read_document(KeptAnswers, path)
    except RecordError:
        return None
    same = kept.rows_sha256 == digest and kept.answers.adapter_sha256 == adapter
    return kept.answers if same else None
