"""A plugin-based benchmarking harness for FlowerTune LLM leaderboard submissions."""

from __future__ import annotations

import pluggy

__all__ = ["__version__", "hookimpl"]
__version__ = "0.2.0.dev0"

hookimpl = pluggy.HookimplMarker("flowertune_harness")
"""Marks a plugin's hook functions; see `harness.plugins.hookspecs`."""
