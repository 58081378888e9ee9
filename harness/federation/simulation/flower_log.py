"""Flower's log, sent to a file for the time of a run, or to nobody."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def flower_log(folder: Path) -> Iterator[None]:
    """Send Flower's log to a file: its lines are for those who look for a cause."""
    folder.mkdir(parents=True, exist_ok=True)
    import flwr  # noqa: F401  # sets Flower's handlers, which are put aside here

    logger = logging.getLogger("flwr")
    handlers, level, spread = list(logger.handlers), logger.level, logger.propagate
    target = logging.FileHandler(folder / "flower.log", mode="a", encoding="utf-8")
    target.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.handlers[:] = [target]
    logger.propagate = False
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = spread
        target.close()


@contextmanager
def no_flower_log() -> Iterator[None]:
    """Keep Flower's log silent: two lines a round of some dozens of small federations."""
    logger = logging.getLogger("flwr")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
