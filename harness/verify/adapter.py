"""Rules on the adapter: its tensors follow from model and PEFT method; its files are its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from harness.components import ModelSpec, select_linears
from harness.errors import HarnessError, RecordError
from harness.tensorfile import tensor_shapes
from harness.verify.rule import Breach, Rule
from harness.verify.subject import Subject

PREFIX = "base_model.model."
MAGNITUDE = ".lora_magnitude_vector"
WEIGHTS = "adapter/adapter_model.safetensors"
MAX_LAYERS = 1_000
"""Decoder blocks; the largest models have below 200. Each costs seven tensors to list."""
CONFIG_FIELDS = {"r": "r", "lora_alpha": "alpha", "lora_dropout": "dropout"}
"""peft's name -> ours."""


def lora_shapes(
    model: ModelSpec, rank: int, targets: tuple[str, ...], dora: bool
) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a LoRA or DoRA adapter, without the plugin that made it.

    A is (r, in), B is (out, r), DoRA's magnitude (out,).
    Source: peft `LoraLayer`, `DoraLinearLayer`.

    Raises:
        PluginError: a target matches no layer of `model`.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in select_linears(model, targets):
        shapes[f"{PREFIX}{layer.name}.lora_A.weight"] = (rank, layer.in_features)
        shapes[f"{PREFIX}{layer.name}.lora_B.weight"] = (layer.out_features, rank)
        if dora:
            shapes[f"{PREFIX}{layer.name}{MAGNITUDE}"] = (layer.out_features,)
    return shapes


def growth(subject: Subject) -> int:
    """Return how many times the recipe's rank the adapter has: FLoRA stacks every client's.

    Source: https://arxiv.org/abs/2409.05976
    """
    spec = subject.record.spec
    if spec.strategy.name != "standard/flora":
        return 1
    return spec.train.rounds * subject.challenge.clients_per_round(spec.train.fraction)


def shapes(subject: Subject) -> Iterator[Breach]:
    """The tensors are those of the model and the PEFT parameters."""
    spec = subject.record.spec
    found = {item.name: item.shape for item in subject.record.adapter.tensors}
    if not any(name.endswith(".lora_A.weight") for name in found):
        return  # Not of the LoRA family: nothing to derive here.
    params = spec.peft.params
    rank, targets = params.get("r"), params.get("target_modules")
    if type(rank) is not int or not isinstance(targets, list | tuple):
        yield "spec.peft.params", sorted(params), "r and target_modules, as LoRA's family has"
        return
    if spec.model.layers > MAX_LAYERS:
        yield "spec.model.layers", spec.model.layers, f"at most {MAX_LAYERS}"
        return
    if spec.model.hidden % spec.model.heads or rank < 1:
        yield "spec.model", f"hidden {spec.model.hidden}, heads {spec.model.heads}", "a multiple"
        return
    dora = any(name.endswith(MAGNITUDE) for name in found)
    if dora != spec.peft.name.endswith("/dora"):
        yield "adapter.tensors", f"{'' if dora else 'no '}magnitudes", f"{spec.peft.name}'s tensors"
    try:
        names = tuple(str(item) for item in targets)
        expected = lora_shapes(spec.model, rank * growth(subject), names, dora)
    except HarnessError as error:
        yield "spec.peft.params.target_modules", str(error), "layers of the model"
        return
    if found != expected:
        wrong = sorted(set(found.items()) ^ set(expected.items()))[:1]
        yield (
            "adapter.tensors",
            f"{len(found)} tensors, one that differs: {wrong}",
            (f"{len(expected)} tensors of {spec.peft.name} on {spec.model.name}"),
        )


def config(subject: Subject) -> Iterator[Breach]:
    """`adapter_config.json` says what the spec says."""
    found = subject.adapter_config
    if found is None:
        if subject.is_submission:
            yield "", "no adapter_config.json", "peft's configuration of the adapter"
        return
    spec = subject.record.spec
    for theirs, ours in CONFIG_FIELDS.items():
        if theirs in found and ours in spec.peft.params:
            expected = spec.peft.params[ours]
            if theirs in ("r", "lora_alpha") and type(expected) is int:
                expected *= growth(subject)
            if found[theirs] != expected:
                yield theirs, found[theirs], expected
    targets, expected = found.get("target_modules"), spec.peft.params.get("target_modules")
    if isinstance(targets, list) and isinstance(expected, list | tuple):
        if sorted(map(str, targets)) != sorted(map(str, expected)):
            yield "target_modules", sorted(map(str, targets)), sorted(map(str, expected))
    elif expected is not None:
        yield "target_modules", targets, expected
    dora = spec.peft.name.endswith("/dora")
    if bool(found.get("use_dora", False)) is not dora:
        yield "use_dora", found.get("use_dora"), dora
    rslora = spec.peft.name.endswith("/rslora")
    if bool(found.get("use_rslora", False)) is not rslora:
        yield "use_rslora", found.get("use_rslora"), rslora
    if found.get("base_model_name_or_path") != spec.model.hub_id:
        yield "base_model_name_or_path", found.get("base_model_name_or_path"), spec.model.hub_id


def weights(subject: Subject) -> Iterator[Breach]:
    """Where the weights are there, they are the record's: digest, size, tensors, last aggregate."""
    adapter = subject.record.adapter
    if subject.folder is None or WEIGHTS not in subject.digests:
        return
    size, digest = subject.digests[WEIGHTS]
    if digest != adapter.sha256:
        yield "", f"a file with sha256 {digest}", adapter.sha256
    if size != adapter.file_bytes:
        yield "", f"a file of {size} bytes", adapter.file_bytes
    try:
        infos = tensor_shapes(subject.folder / WEIGHTS)
    except RecordError as error:
        yield "", str(error), "a safetensors file"
        return
    found = {name: info.shape for name, info in infos.items()}
    if any(info.dtype != "F32" for info in infos.values()):
        yield "", sorted({info.dtype for info in infos.values()}), "float32 tensors"
    elif found != {item.name: item.shape for item in adapter.tensors}:
        yield "", f"{len(found)} tensors", f"the {len(adapter.tensors)} of adapter.tensors"
    elif subject.record.federation.rounds:
        aggregate = tensors_digest(subject.folder / WEIGHTS)
        last = subject.record.federation.rounds[-1].aggregate_sha256
        if aggregate != last:
            yield "", f"tensors with digest {aggregate}", f"the last round's aggregate {last}"


def tensors_digest(path: Path) -> str:
    """Return the digest of a file's float32 tensors, as the chain of rounds carries it.

    The header must have been checked before. Source: `harness.federation.tensors.digest_arrays`; a
    test holds the two together.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        for name in sorted(set(header) - {"__metadata__"}):
            first, last = header[name]["data_offsets"]
            shape = "x".join(map(str, header[name]["shape"]))
            digest.update(f"{name} <f4 {shape}\n".encode())
            file.seek(8 + length + first)
            digest.update(file.read(last - first))
    return digest.hexdigest()


RULES = (
    Rule("adapter-shapes", "The tensors follow from model and PEFT parameters",
         "peft LoraLayer and DoraLinearLayer", shapes),
    Rule("adapter-config", "adapter_config.json is the spec's", "peft LoraConfig", config,
         file="adapter/adapter_config.json"),
    Rule("adapter-weights", "The weights are the record's and the last aggregate",
         "safetensors format; harness record format", weights, file=WEIGHTS),
)  # fmt: skip
