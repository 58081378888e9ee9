"""Which layers a method adapts, as every method over linear layers names them."""

from __future__ import annotations

from pydantic import Field

from harness.document import Document

PREFIX = "base_model.model."
"""What peft puts before a module's path in its state dict."""


class Targets(Document):
    """Parameters of every method that adapts linear layers."""

    target_modules: tuple[str, ...] = Field(("q_proj", "v_proj"), min_length=1)
    """Names or path suffixes of the linear layers to adapt. Source of the default: peft's for
    Llama."""
