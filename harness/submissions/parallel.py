"""Many targets at once: checks share nothing, so processes can share them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from harness.kernel.allowance import cores
from harness.progress import Meter
from harness.verify.targets import Target

T = TypeVar("T")

PARALLEL_FROM = 24
"""Fewer targets than this are done in this process."""


def each(function: Callable[[Target], T], targets: Sequence[Target]) -> list[T]:
    """Return `function` of every target, in order, and tell of many how far that has come.

    Args:
        function: of one target; results must be small and picklable.
        targets: that share nothing.
    """
    if len(targets) < PARALLEL_FROM:
        return [function(target) for target in targets]
    meter = Meter("submissions", len(targets), "checked", pace_from=0.02)
    found = []
    for result in _results(function, targets):
        found.append(result)
        meter.advance()
    return found


def _results(function: Callable[[Target], T], targets: Sequence[Target]) -> Iterator[T]:
    workers = min(cores(), 8)
    if workers == 1:
        yield from map(function, targets)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(function, targets, chunksize=8)
