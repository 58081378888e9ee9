"""Plugins: found by entry point, loaded one at a time, looked up by name."""

from harness.plugins import places
from harness.plugins.content import content_digest
from harness.plugins.discovery import PluginInfo, discover
from harness.plugins.loading import Loaded, collect, load
from harness.plugins.lookup import (
    Bound,
    Component,
    Components,
    bound_extensions,
    find_extension,
    find_model,
    find_peft_method,
    find_strategy,
    load_components,
    refuse_other_plugins,
    validated_params,
)

__all__ = [
    "Bound",
    "Component",
    "Components",
    "Loaded",
    "PluginInfo",
    "bound_extensions",
    "collect",
    "content_digest",
    "discover",
    "find_extension",
    "find_model",
    "find_peft_method",
    "find_strategy",
    "load",
    "load_components",
    "places",
    "refuse_other_plugins",
    "validated_params",
]
