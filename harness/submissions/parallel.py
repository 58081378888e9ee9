"""Many targets at once: checks share nothing, so processes can share them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from harness.kernel.allowance import cores
from harness.verify.targets import Target

T = TypeVar("T")

PARALLEL_FROM = 24
"""Fewer targets than this are done in this process."""


def each(function: Callable[[Target], T], targets: Sequence[Target]) -> list[T]:
    """Return `function` of every target, in order; results must be small and picklable."""
    workers = min(cores(), 8)
    if len(targets) < PARALLEL_FROM or workers == 1:
        return [function(target) for target in targets]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(function, targets, chunksize=8))
