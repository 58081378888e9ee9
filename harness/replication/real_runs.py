"""Real runs of a replication: one `harness run` for each arm and seed, as cells of a sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import FederationError
from harness.record.result import ResultRecord
from harness.replication.replication import Replication
from harness.side_by_side.cell_processes import harness_run
from harness.side_by_side.sweep import Start, run_sweep
from harness.side_by_side.sweep_file import SEED, Sweep, cells_of


def sweep_of(replication: Replication) -> Sweep:
    """Return the sweep whose cells are the arms at each seed, in order."""
    assert replication.recipe is not None
    return Sweep(
        recipe=replication.recipe,
        challenge=replication.challenge,
        smoke=replication.smoke,
        limit=replication.limit,
        settings=replication.settings,
        runs=tuple(
            {**settings, SEED: seed}
            for settings in replication.arms.values()
            for seed in replication.seeds
        ),
    )


def run_real(
    replication: Replication,
    folder: Path,
    out: Path,
    *,
    mirror: Path | None = None,
    start: Start = harness_run,
    said: Callable[[str], None] = lambda text: None,
) -> dict[str, dict[int, dict[str, float]]]:
    """Run what has no result yet; return arm -> seed -> measure -> value.

    Args:
        replication: the file.
        folder: of the file, which a recipe's file is named from.
        out: where the runs are; those that are there are not run again.
        mirror: local copy of hub files.
        start: runs the command `harness`.
        said: told each run as it ends.

    Raises:
        FederationError: a run has no result; the same command goes on.
    """
    cells = cells_of(sweep_of(replication), folder)
    results = run_sweep(cells, out, mirror=mirror, start=start, said=said)
    names = [(arm, seed) for arm in replication.arms for seed in replication.seeds]
    found: dict[str, dict[int, dict[str, float]]] = {arm: {} for arm in replication.arms}
    for (arm, seed), result in zip(names, results, strict=True):
        if result.record is None:
            raise FederationError(
                f"arm {arm}, seed {seed}, has no result ({result.problem}); the same command goes"
                " on"
            )
        found[arm][seed] = measures(result.record)
    return found


def measures(record: ResultRecord) -> dict[str, float]:
    """Return what a replication measures of a run."""
    return {
        "loss": record.federation.rounds[-1].train_loss,
        "bytes": float(record.communication.bytes_total),
        "accuracy": record.average,
    }
