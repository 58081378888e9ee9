"""Models that participants use, to recompute the size of their messages from shapes alone."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources

from harness.components import ModelSpec
from harness.document import parse_document

CONFIG_FIELDS = ("layers", "hidden", "intermediate", "heads", "kv_heads", "head_dim", "vocab")


class KnownModel(ModelSpec):
    """A model as its config.json on the hub states it; a row of `known_models.toml`."""

    also: tuple[str, ...] = ()
    """Last part of the hub ids of other models with the same shapes."""
    vocab: int = 1
    """Left out where it was not looked up: no adapter's shape depends on it."""
    default_targets: tuple[str, ...] = ("q_proj", "v_proj")
    """What peft adapts when nothing is said.
    Source: peft `TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING`."""

    def stated(self) -> dict[str, int]:
        """Return what its row states of the fields that a record must repeat."""
        return {
            name: getattr(self, name) for name in CONFIG_FIELDS if name in self.model_fields_set
        }


def known_model(hub_id: str) -> KnownModel | None:
    """Return the model with a hub id's last part, in whatever case, or None.

    A copy under another owner has the same shapes: `unsloth/Llama-3.2-1B` is Llama 3.2's.
    """
    return _by_name().get(hub_id.rsplit("/", 1)[-1].lower())


@functools.cache
def _by_name() -> dict[str, KnownModel]:
    file = resources.files("harness.verify.independent").joinpath("known_models.toml")
    rows = tomllib.loads(file.read_text("utf-8"))["model"]
    models = [parse_document(KnownModel, row, "known_models.toml") for row in rows]
    return {name: model for model in models for name in (model.name, *model.also)}
