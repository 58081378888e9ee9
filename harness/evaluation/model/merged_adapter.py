"""A trained adapter: checked before it is loaded, then merged into the base once.

Merging in float32 gives the values that upstream computes at every token, up to rounding: for LoRA
(W + s B A) x in place of W x + s B A x. For DoRA it also saves a norm over every weight and token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from harness.errors import EvaluationError
from harness.evaluation.inputs import check_files
from harness.evaluation.model.base_model import Base, one_line
from harness.record.file_names import ADAPTER_CONFIG, ADAPTER_WEIGHTS

PLAIN_STARTS = ("gaussian", "orthogonal")
"""Named LoRA initialisations that leave the base alone; the others move it before training."""
LISTED = 4
"""Names that a message lists of each kind of mismatch."""


def merge_adapter(base: Base, folder: Path) -> None:
    """Merge the adapter in `folder` into `base.model`, in place of its layers.

    Args:
        base: the base model, quantized and dequantised; its model is replaced by the merged one.
        folder: an adapter in peft's format.

    Raises:
        EvaluationError: the adapter is not in peft's format, is a pickle, is of a kind that cannot
            be merged, is for another base (names or shapes that do not fit are listed), or is not
            finite.
    """
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    shapes = check_files(folder)
    try:
        config: Any = PeftConfig.from_pretrained(str(folder))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise EvaluationError(
            f"{folder / ADAPTER_CONFIG}: not a peft configuration ({error})"
        ) from None
    if config.is_prompt_learning:
        raise EvaluationError(
            f"{folder}: {config.peft_type} adds tokens to the prompt and cannot be merged;"
            " the official protocol is implemented for adapters of weights"
        )
    start = getattr(config, "init_lora_weights", True)
    if isinstance(start, str) and start not in PLAIN_STARTS:
        raise EvaluationError(
            f"{folder}: init_lora_weights is {start!r}, which changes the base's own weights;"
            " convert it to plain LoRA (peft: path_initial_model_for_weight_conversion)"
        )
    config.inference_mode = True
    try:
        model = get_peft_model(base.model, config)
    except ValueError as error:
        raise EvaluationError(f"{folder}: does not fit the base model: {one_line(error)}") from None
    check_fit(model, shapes, folder)
    weights = load_file(str(folder / ADAPTER_WEIGHTS))
    check_finite(weights, folder)
    set_peft_model_state_dict(model, {name: value.float() for name, value in weights.items()})
    model.eval()
    base.model = model.merge_and_unload()
    base.model.eval().requires_grad_(False)


def check_fit(model: Any, shapes: dict[str, tuple[int, ...]], folder: Path) -> None:
    """Check that the file holds exactly the tensors that the adapted base has.

    Raises:
        EvaluationError: tensors are missing or unknown, or their shapes differ; they are listed.
    """
    from peft import get_peft_model_state_dict

    expected = {
        name: tuple(value.shape) for name, value in get_peft_model_state_dict(model).items()
    }
    missing = sorted(set(expected) - set(shapes))
    unknown = sorted(set(shapes) - set(expected))
    wrong = [
        f"{name} is {list(shapes[name])}, the base needs {list(expected[name])}"
        for name in sorted(set(shapes) & set(expected))
        if shapes[name] != expected[name]
    ]
    parts = [
        f"{len(names)} {what}: {'; '.join(names[:LISTED])}{' ...' if len(names) > LISTED else ''}"
        for what, names in (
            ("of another shape", wrong),
            ("missing", missing),
            ("unknown to the base", unknown),
        )
        if names
    ]
    if parts:
        raise EvaluationError(
            f"{folder}: an adapter for another base model; {', '.join(parts)};"
            " evaluate it with the base that it was trained on"
        )


def check_finite(weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Check that no weight is NaN or infinite.

    Raises:
        EvaluationError: some weights are not finite; the tensors are listed.
    """
    bad = [name for name, value in sorted(weights.items()) if not bool(value.isfinite().all())]
    if bad:
        more = " ..." if len(bad) > LISTED else ""
        raise EvaluationError(
            f"{folder / ADAPTER_WEIGHTS}: NaN or infinite in {len(bad)} of {len(weights)} tensors:"
            f" {', '.join(bad[:LISTED])}{more}; the training diverged: resume from a checkpoint"
        )
