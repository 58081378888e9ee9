"""`loss.png`: the training loss of every round and client."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.record.federation import RoundRecord


def plot_loss(title: str, rounds: Sequence[RoundRecord], path: Path) -> None:
    """Draw the weighted mean loss per round over the clients' own losses, and save it as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    points = [(item.round, client.train_loss) for item in rounds for client in item.clients]
    numbers, losses = zip(*points, strict=True)
    axes.scatter(numbers, losses, s=14, alpha=0.35, label="client", color="#7a8794")
    axes.plot(
        [item.round for item in rounds],
        [item.train_loss for item in rounds],
        marker="o",
        color="#1f6feb",
        label="mean, weighted by examples",
    )
    axes.set_xlabel("round")
    axes.set_ylabel("training loss")
    axes.set_title(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})
