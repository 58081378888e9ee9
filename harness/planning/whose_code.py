"""The code that a run needs: audited components and data alone, or an entrant's own.

A run's processes load the plugins of its PEFT method and its strategy and no others: recipe and
model stand in the spec, as data. A plugin is audited when its entry point and the digest of its
content are in `audited.json`, which lists what this repository ships and its tests try. A name
alone says nothing.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from harness.document import Document, parse_document, parse_json
from harness.spec import RunSpec


class Audited(Document):
    """A state of a plugin that this repository ships."""

    plugin: str
    """Name of its entry point."""
    distribution: str
    version: str
    digest: str
    """As in `PluginRef`."""


@cache
def audited() -> tuple[Audited, ...]:
    """Return every audited state of a plugin."""
    where = "harness/planning/audited.json"
    text = resources.files("harness.planning").joinpath("audited.json").read_text("utf-8")
    return tuple(parse_document(Audited, item, where) for item in parse_json(text, where))


def own_code(spec: RunSpec) -> tuple[str, ...]:
    """Return what ran of nobody but the entrant; empty for a run that is `declared`.

    Names of plugins as the spec has them, and `model <hub id>` for a model that brings code.
    """
    known = {(item.plugin, item.digest) for item in audited()}
    found = [ref.name for ref in spec.needed_plugins if (ref.name, ref.digest) not in known]
    if spec.model.trust_remote_code:
        found.append(f"model {spec.model.hub_id}")
    return tuple(sorted(found))
