"""The frontier as a picture: accuracy over MiB, and over seconds."""

from __future__ import annotations

from pathlib import Path

from harness.document.units import MIB, how_many
from harness.frontier.frontier import Frontier
from harness.side_by_side.picture import empty_picture


def plot_frontier(found: Frontier, path: Path) -> None:
    """Draw a frontier, PNG or SVG as the file's name says.

    Every kept round is a point with its 95 % interval over the held-out rows, the frontier a line
    through the rounds that no cheaper one is as good as, official accuracies are crosses.

    Raises:
        UsageError: matplotlib is not installed, or the name ends otherwise.
    """
    figure = empty_picture(path, 9, 4)
    best, front = found.best, found.undominated()
    panels = figure.subplots(1, 2, sharey=True)
    costs = (
        ("MiB sent and received", [point.bytes_total / MIB for point in found.points]),
        ("seconds of training rounds", [point.seconds for point in found.points]),
    )
    values = [100 * point.value for point in found.points]
    below = [100 * (p.value - p.interval[0]) for p in found.points]
    above = [100 * (p.interval[1] - p.value) for p in found.points]
    for axes, (title, cost) in zip(panels, costs, strict=True):
        axes.errorbar(
            cost, values, yerr=[below, above], fmt="o", markersize=4, capsize=2, color="#4c72b0",
            label="held-out rows, 95 %",
        )  # fmt: skip
        line = [
            (c, v) for c, v, p in zip(cost, values, found.points, strict=True) if p.round in front
        ]
        axes.step(*zip(*line, strict=True), where="post", color="#4c72b0", alpha=0.5)
        official = [
            (c, 100 * p.official)
            for c, p in zip(cost, found.points, strict=True)
            if p.official is not None
        ]
        if official:
            axes.plot(
                *zip(*official, strict=True), "x", color="#c44e52", label="official rows, mean"
            )
        place = found.points.index(best)
        axes.annotate(
            f"best: {best.name}", (cost[place], values[place]), xytext=(0, 9),
            textcoords="offset points", ha="right" if place else "left",
        )  # fmt: skip
        axes.set_xlabel(title)
        axes.grid(alpha=0.25)
        axes.margins(0.08, 0.15)
    panels[0].set_ylabel("accuracy, %")
    panels[0].legend(frameon=False, loc="lower right")
    rounds = how_many(len(found.points) - 1, "kept round")
    figure.suptitle(f"{found.label}: {rounds} and the untrained base")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None} if path.suffix == ".png" else None)
