"""Whether a model's files are those of its spec, from config.json and the weights' headers.

Three parties can disagree: the ModelSpec, which a plugin's author wrote, config.json, and the
weights. Where two of them agree, the third is the one to correct.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.components import ModelSpec
from harness.components.families import KEYS
from harness.errors import PluginError, SourceError
from harness.sources.hub_model import CONFIG, folder_model

Shapes = Mapping[str, tuple[int, ...]]
"""Name of a tensor in the weights' files -> its shape."""


def refuse_other_files(model: ModelSpec, folder: Path, weights: Shapes) -> None:
    """Check that config.json and weights are of the model that the spec describes.

    Args:
        model: the spec of the run.
        folder: the model's folder, complete.
        weights: what its safetensors files hold.

    Raises:
        PluginError: config.json and weights agree with each other, and not with the spec.
        SourceError: the weights do not fit their config.json, or it is no known family's.
    """
    told = folder_model(folder, model.hub_id)
    where = f"{folder / CONFIG}"
    differences = list(_differences(model, told))
    misfit = next(_misfits(told, weights), None)
    if not differences and misfit is None:
        return
    if not differences:
        raise SourceError(
            f"{folder}: the weights do not fit their {CONFIG}: {misfit}; fetch the model again"
        )
    said = "; ".join(differences[:3])
    if misfit is None:
        right = f"harness model {shlex.quote(str(folder))} --hub-id {shlex.quote(model.hub_id)}"
        raise PluginError(
            f"{where} {said}; the weights agree with {CONFIG}, so the ModelSpec {model.name!r} is"
            f" wrong: `{right}` prints the right one"
        )
    if next(_misfits(model, weights), None) is None:
        raise SourceError(
            f"{where} {said}; the weights agree with the ModelSpec, so this {CONFIG} is of another"
            " model: fetch the model again"
        )
    raise SourceError(
        f"{where} {said}; the weights agree with neither ({misfit}): these are not the files of"
        f" {model.hub_id}"
    )


def _differences(model: ModelSpec, told: ModelSpec) -> Iterator[str]:
    """Yield in words what a config.json says otherwise than the spec."""
    for name in KEYS:
        field = "head_size" if name == "head_dim" else name
        here, there = getattr(model, field), getattr(told, field)
        if here != there:
            yield f"has {name} {_plain(there)}, the ModelSpec says {_plain(here)}"
    layers, theirs = model.linears()[:8], told.linears()[:8]
    if [(item.name, item.bias) for item in layers] != [(item.name, item.bias) for item in theirs]:
        yield (
            f"is a {told.architecture} with {_layers(told)}, the ModelSpec says"
            f" {model.architecture} with {_layers(model)}"
        )
    elif _besides(model) != _besides(told):
        yield f"is a {told.architecture}, the ModelSpec says {model.architecture}: other norms"


def _besides(model: ModelSpec) -> tuple[object, ...]:
    """Return what a model holds beside its linear layers."""
    family = model.family
    return family.norms, family.outside, family.embedding, family.head


def _layers(model: ModelSpec) -> str:
    block = [item for item in model.linears() if item.name.startswith(f"{model.family.blocks}.0.")]
    return ", ".join(
        item.name.rsplit(".", 1)[-1] + (" and its bias" if item.bias else "") for item in block
    )


def _plain(value: int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _misfits(model: ModelSpec, weights: Shapes) -> Iterator[str]:
    """Yield in words which tensors are not as a spec has them."""
    family, table = model.family, (model.vocab, model.hidden)
    expected: dict[str, tuple[int, ...]] = {f"{family.embedding}.weight": table}
    if not model.tied_embeddings and not _head_by_another_name(model, weights):
        expected[f"{family.head}.weight"] = table
    for item in model.linears():
        expected[f"{item.name}.weight"] = (item.out_features, item.in_features)
        if item.bias:
            expected[f"{item.name}.bias"] = (item.out_features,)
    for name, shape in expected.items():
        if name not in weights:
            yield f"no {name}"
        elif weights[name] != shape:
            yield f"{name} is {list(weights[name])}, expected {list(shape)}"
    blocks = f"{family.blocks}.{model.layers}."
    if beyond := next((name for name in weights if name.startswith(blocks)), None):
        yield f"{beyond} is of a block more than there are"


def _head_by_another_name(model: ModelSpec, weights: Shapes) -> bool:
    """Whether files of a family that was read from modules name the output head otherwise.

    transformers renames some weights when it loads them: GPT-NeoX's head is `embed_out` in files.
    """
    table, blocks = (model.vocab, model.hidden), f"{model.family.blocks}."
    tables = [
        name for name, shape in weights.items() if shape == table and not name.startswith(blocks)
    ]
    return model.layout is not None and len(tables) == 2
