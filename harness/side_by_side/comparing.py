"""Two or more runs compared: settings that differ, a paired test, bytes, seconds and losses."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.leaderboard.compare import Rows, p_value
from harness.leaderboard.entries.entry import Entry
from harness.leaderboard.entries.run_entry import run_entry
from harness.record.file_names import RESULT
from harness.record.result import ResultRecord
from harness.side_by_side.picture import empty_picture
from harness.submissions.check import check
from harness.verify.targets import find_targets, refuse_claim

SKIPPED = ("plugins", "schema_version", "challenge")
"""Parts of a spec that are compared in other words, or not at all."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run of a comparison."""

    path: str
    record: ResultRecord
    entry: Entry
    p: float | None
    """Two-sided p value of having the first run's mean; None for the first itself."""
    differing_rows: dict[str, int]
    """Evaluation set -> rows on which it and the first run differ, where both kept their rows."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value of what is compared."""
        record = self.record
        return {
            "path": self.path,
            "recipe": record.spec.label,
            "average": record.average,
            "scores": {s.task: s.value for s in record.scores if s.metric == "accuracy"},
            "p": self.p,
            "differing_rows": self.differing_rows,
            "bytes_total": record.communication.bytes_total,
            "seconds": sum(record.timing.values()),
            "losses": [item.train_loss for item in record.federation.rounds],
            "adapter_sha256": record.adapter.sha256,
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting that is not the same in all runs."""

    name: str
    values: tuple[Any, ...]
    """In the order of the runs; None where a run has no such setting."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value."""
        return asdict(self)


def compare_runs(paths: Sequence[Path]) -> tuple[list[ComparedRun], list[Setting]]:
    """Compare runs of one board over the same rows; the first is what the others are held against.

    Args:
        paths: run directories or submissions with a result, or the results in them.

    Returns:
        The runs in the order given; the settings that differ, in the spec's order.

    Raises:
        UsageError: fewer than two, a path is no finished run, or the runs are of different boards,
            revisions of rules or rows, so that their scores mean different things.
    """
    if len(paths) < 2:
        raise UsageError("one run has nothing to be compared with; name two or more")
    entries = [_entry(path) for path in paths]
    _refuse_unlike(paths, [record for record, _ in entries])
    first, first_rows = entries[0][1], Rows.of(entries[0][1])
    runs = []
    for number, (path, (record, entry)) in enumerate(zip(paths, entries, strict=True)):
        rows = Rows.of(entry)
        p = p_value(first, entry, first_rows, rows) if number else None
        runs.append(ComparedRun(str(path), record, entry, p, _differing(first_rows, rows)))
    return runs, list(_settings([record for record, _ in entries]))


def _entry(path: Path) -> tuple[ResultRecord, Entry]:
    refuse_claim(path)
    # A result.json stands for its folder: the answers that a paired test needs lie there.
    whole = path.parent if path.name == RESULT and path.is_file() else path
    targets = list(find_targets(whole))
    if len(targets) != 1 or targets[0].kind not in ("run", "submission"):
        found = f"{len(targets)} results" if len(targets) != 1 else f"a {targets[0].kind} alone"
        raise UsageError(f"{path}: {found}; name one run directory or submission")
    checked = check(targets[0])
    errors = [item for item in checked.findings if item.severity == "error"]
    if checked.submission is None or errors:
        why = f"{errors[0].rule}: {errors[0].found}" if errors else "no record"
        see = f"harness verify {shlex.quote(str(path))}"
        raise UsageError(f"{path}: verify finds an error ({why}); see {see}")
    return checked.submission.record, run_entry(checked.submission, ())


def _refuse_unlike(paths: Sequence[Path], records: Sequence[ResultRecord]) -> None:
    first = records[0]
    for path, record in zip(paths, records, strict=True):
        for what, ours, theirs in (
            ("boards", first.challenge.id, record.challenge.id),
            ("rules", _rules(first), _rules(record)),
            ("rows", _counts(first), _counts(record)),
            ("rows", _unpinned(first), _unpinned(record)),
        ):
            if ours != theirs:
                raise UsageError(
                    f"{path} and {paths[0]} are of different {what} ({theirs}, not {ours}), so"
                    " their scores mean different things; compare runs of one board over the same"
                    " rows"
                )


def _rules(record: ResultRecord) -> str:
    rules = f"revision {record.challenge.revision}, {record.challenge.digest[:12]}"
    return rules if record.spec.open is None else f"the open division, {rules}"


def _counts(record: ResultRecord) -> str:
    return ", ".join(f"{s.examples} of {s.task}" for s in record.scores if s.metric == "accuracy")


def _unpinned(record: ResultRecord) -> str:
    """Return which rows a run's sets hold where their rules do not say it.

    Official rows are pinned by the board, from whatever file they come. A smoke run's are made in
    code, and as many of either may be counted.
    """
    sets = [item for item in record.data if item.kind == "evaluation"]
    if record.spec.smoke:
        return "made in code, " + ", ".join(item.sha256[:12] for item in sets)
    loose = [item for item in sets if any("not pinned" in note for note in item.notes)]
    return ", ".join(["the board's", *(f"{item.name} {item.sha256[:12]}" for item in loose)])


def _differing(ours: Rows, theirs: Rows) -> dict[str, int]:
    found = {}
    for task, (bits, count) in ours.bits.items():
        other = theirs.bits.get(task)
        if other is not None and other[1] == count:
            found[task] = (bits ^ other[0]).bit_count()
    return found


def _settings(records: Sequence[ResultRecord]) -> Iterator[Setting]:
    flats = [dict(_flat(record.spec.model_dump(mode="json"))) for record in records]
    for name in dict.fromkeys(key for flat in flats for key in flat):
        values = tuple(flat.get(name) for flat in flats)
        if name.partition(".")[0] not in SKIPPED and any(item != values[0] for item in values):
            yield Setting(name, values)


def _flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def plot_losses(runs: Sequence[ComparedRun], path: Path) -> None:
    """Draw the loss curves of all runs in one picture, PNG or SVG as the file's name says.

    Raises:
        UsageError: matplotlib is not installed, or the name ends otherwise.
    """
    figure = empty_picture(path, 7, 4)
    from matplotlib.ticker import MaxNLocator

    axes = figure.add_subplot()
    for run in runs:
        rounds = run.record.federation.rounds
        numbers, losses = [r.round for r in rounds], [r.train_loss for r in rounds]
        axes.plot(numbers, losses, marker="o", markersize=3, label=Path(run.path).name)
    axes.set_xlabel("round")
    axes.set_ylabel("training loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
