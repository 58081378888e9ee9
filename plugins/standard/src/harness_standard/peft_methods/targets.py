"""Which layers a method adapts, as every method over linear layers names them."""

from __future__ import annotations

from pydantic import Field, field_validator

from harness.document import Document

PREFIX = "base_model.model."
"""What peft puts before a module's path in its state dict."""


class Targets(Document):
    """Parameters of every method that adapts linear layers."""

    target_modules: tuple[str, ...] = Field(("q_proj", "v_proj"), min_length=1)
    """Names or path suffixes of the linear layers to adapt. Source of the default: peft's for
    Llama."""

    @field_validator("target_modules")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(value)


def each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return `names`; two spellings of one choice would be two specs of one run.

    Raises:
        ValueError: a name occurs twice.
    """
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is given twice; keep one")
    return names
