"""A plugin-based benchmarking harness for FlowerTune LLM leaderboard submissions."""

from __future__ import annotations

import importlib
from typing import Any

import pluggy

__all__ = ["Plan", "Run", "__version__", "hookimpl", "load", "plan", "resume", "run"]
__version__ = "0.2.0.dev0"

hookimpl = pluggy.HookimplMarker("flowertune_harness")
"""Marks a plugin's hook functions; see `harness.plugins.hookspecs`."""


def __getattr__(name: str) -> Any:
    """Load the Python interface when it is asked for, so that a plugin's import stays light."""
    if name in __all__:
        return getattr(importlib.import_module("harness.interface"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name the interface too, which a notebook completes before any of it is loaded."""
    return sorted({*globals(), *__all__})
