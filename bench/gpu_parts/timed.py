"""How a bench of a card measures: seconds of a call, memory, and what is given back."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from subject import Subject

Results = dict[str, Any]


def sync(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def per_call_s(work: Callable[[], Any], device: str, calls: int, repeats: int = 3) -> list[float]:
    """Return seconds of a call, `repeats` times the mean of `calls`, after one to warm up."""
    work()
    found = []
    for _ in range(repeats):
        sync(device)
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        sync(device)
        found.append((time.perf_counter() - begin) / calls)
    return found


def median_range(values: Sequence[float]) -> dict[str, float]:
    """Return median and range."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def free() -> None:
    """Give back what Python and torch hold."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def peak_gib(subject: Subject, work: Callable[[], Any]) -> float:
    if subject.device != "cuda":
        work()
        return 0.0
    torch.cuda.reset_peak_memory_stats()
    work()
    return round(torch.cuda.max_memory_allocated() / 2**30, 2)
