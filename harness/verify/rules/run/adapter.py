"""Rules on the adapter: its tensors follow from model and PEFT method; its files are its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.document.units import how_many
from harness.errors import HarnessError
from harness.record.file_names import ADAPTER_WEIGHTS_PATH
from harness.verify.independent.adapter_shapes import METHODS, known_shapes
from harness.verify.independent.known_models import known_model
from harness.verify.independent.round_messages import A_SUFFIX, growth
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

MAX_LAYERS = 1_000
"""Decoder blocks; the largest models have below 200. Each costs seven tensors to list."""
MAX_WIDTH = 1_000_000
"""Hidden and intermediate sizes; the largest models have below 100,000."""


def shapes(submission: Submission) -> Iterator[Breach]:
    """The tensors are those of the model and the PEFT parameters."""
    spec = submission.record.spec
    model, params = spec.model, spec.peft.params
    found = {item.name: item.shape for item in submission.record.adapter.tensors}
    if spec.peft.name not in METHODS:
        yield from _ranks(submission, found)
        return
    rank, targets = params.get("r", 1), params.get("target_modules")
    if type(rank) is not int or rank < 1 or not isinstance(targets, list | tuple):
        yield "spec.peft.params", sorted(params), f"target_modules and r of {spec.peft.name}"
        return
    if model.layers > MAX_LAYERS or max(model.hidden, model.intermediate) > MAX_WIDTH:
        size = f"{model.layers} layers of {model.hidden} and {model.intermediate}"
        yield "spec.model", size, f"at most {MAX_LAYERS} of {MAX_WIDTH}"
        return
    if model.hidden % model.heads:
        yield "spec.model", f"hidden {model.hidden}, heads {model.heads}", "a multiple"
        return
    try:
        names = tuple(str(item) for item in targets)
        final = rank * growth(spec, submission.challenge)
        expected = known_shapes(spec.peft.name, model, params, names, final)
    except HarnessError as error:
        yield "spec.peft.params.target_modules", str(error), "layers of the model"
        return
    if expected is not None and found != expected:
        wrong = sorted(set(found.items()) ^ set(expected.items()))[:1]
        yield (
            "adapter.tensors",
            f"{len(found):,} tensors, one that differs: {wrong}",
            f"{len(expected):,} tensors of {spec.peft.name} on {model.name}",
        )


def _ranks(submission: Submission, found: Mapping[str, tuple[int, ...]]) -> Iterator[Breach]:
    """Of another plugin's method: LoRA factors have the rank that adapter_config.json states."""
    config = submission.adapter_config or {}
    rank = config.get("r")
    if type(rank) is not int or config.get("rank_pattern"):
        return
    for name, shape in found.items():
        if name.endswith(A_SUFFIX) and shape[:1] != (rank,):
            yield f"adapter.tensors: {name}", shape, f"({rank}, in), by adapter_config.json"


def taken_as_stated(submission: Submission) -> Iterator[Breach]:
    """Tensors of a method that is not known here follow from nothing else."""
    spec, adapter = submission.record.spec, submission.record.adapter
    if spec.peft.name not in METHODS:
        tensors, numbers = len(adapter.tensors), adapter.parameters
        message = submission.record.communication.message_bytes
        size = f"{how_many(tensors, 'tensor')} of {how_many(numbers, 'number')}"
        yield (
            f"adapter: {spec.peft.name}",
            f"{size}, {how_many(message, 'byte')} a message",
            "a method of which the checker knows the tensors: they are taken as stated",
        )


def model_shape(submission: Submission) -> Iterator[Breach]:
    """A model that is known here has its own number of layers, widths and heads."""
    model = submission.record.spec.model
    known = known_model(model.hub_id)
    if known is None or submission.record.spec.smoke:
        return
    for name, expected in known.stated().items():
        if getattr(model, name) != expected:
            yield f"spec.model.{name}", getattr(model, name), f"{expected} of {model.hub_id}"


def weights(submission: Submission) -> Iterator[Breach]:
    """Weights that are there are the record's: digest, size, tensors, last aggregate."""
    adapter, found = submission.record.adapter, submission.adapter_weights
    if found is None:
        return
    size, digest = submission.digests[ADAPTER_WEIGHTS_PATH]
    if digest != adapter.sha256:
        yield "", f"a file with sha256 {digest}", adapter.sha256
    if size != adapter.file_bytes:
        yield "", f"a file of {size:,} bytes", adapter.file_bytes
    if found.fault is not None:
        yield "", found.fault, "a safetensors file"
    elif found.dtypes - {"F32"}:
        yield "", sorted(found.dtypes), "float32 tensors"
    elif found.shapes != {item.name: item.shape for item in adapter.tensors}:
        yield (
            "",
            how_many(len(found.shapes), "tensor"),
            f"the {len(adapter.tensors)} of adapter.tensors",
        )
    elif found.tensors_sha256 is None:
        yield "", "tensors in another order", "the order of their names, as safetensors writes them"
    elif not found.finite:
        yield "", "a weight that is no finite number, or 2^127 and more", "weights of a training"
    elif submission.record.federation.rounds:
        last = submission.record.federation.rounds[-1].aggregate_sha256
        if found.tensors_sha256 != last:
            what = f"tensors with digest {found.tensors_sha256}"
            yield "", what, f"the last round's aggregate {last}"


RULES = (
    Rule("model", "A known model has its own shape", "the model's config.json on the hub",
         model_shape),
    Rule("adapter-shapes", "The tensors follow from model and PEFT parameters",
         "peft's layers, LoraLayer and others", shapes),
    Rule("stated-adapter", "The tensors are of a known method",
         "harness.verify.independent.adapter_shapes", taken_as_stated, severity="warning"),
    Rule("adapter-weights", "The weights are the record's and the last aggregate",
         "safetensors format; harness record format", weights, file=ADAPTER_WEIGHTS_PATH),
)  # fmt: skip
