"""transformers' internals: Llama's RMS norm, what has had several names over time, what its
import brings that no language model needs, and the clock that its chat templates read.

Source: transformers 5.24, `models/llama/modeling_llama.py`, `LlamaRMSNorm.forward`; 5.17 and 5.24,
`modeling_utils.py`, `gradient_checkpointing_enable` and `activation_checkpointing_enable`, and
`LlamaForCausalLM.forward`; 5.24, `loss/loss_for_object_detection.py`, which `modeling_utils` loads,
`utils/import_utils.py`, which finds out what each model's folder exports, and
`utils/chat_template_utils.py`, `strftime_now`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class RmsNorm:
    """One layer y = w x / sqrt(mean(x^2) + epsilon), over the last dimension."""

    layer: torch.nn.Module
    weight: torch.nn.Parameter
    """w, (size of that dimension,)"""
    epsilon: float


ASSIGNING = "scipy.optimize"


def load_transformers() -> None:
    """Import what loads a language model, without what takes time and is not needed for it.

    That is scipy, 0.4 s of a processor: losses for finding objects in pictures name one function of
    it, and load it when they call it. And it is a second look through the folders of all models.
    """
    with _models_looked_through_once():
        import transformers.models
    if ASSIGNING in sys.modules:
        return
    module = ModuleType(ASSIGNING)
    module.__dict__["linear_sum_assignment"] = linear_sum_assignment
    sys.modules[ASSIGNING] = module
    try:
        import transformers.modeling_utils  # noqa: F401
    finally:
        del sys.modules[ASSIGNING]


@contextmanager
def _models_looked_through_once() -> Iterator[None]:
    """While this lasts, `transformers.models` is told what `transformers` has found in its folder.

    Both read the 3,000 files in it, 0.3 s each. The first asks by the folder's path, of which the
    answer is kept; the second by the file in it, of which none is.
    """
    import transformers
    from transformers.utils import import_utils

    look = import_utils.define_import_structure
    folder = Path(transformers.__file__).parent / "models"

    def look_once(path: str | Path, prefix: str | None = None) -> Any:
        return look(folder if Path(path) == folder / "__init__.py" else path, prefix)

    import_utils.define_import_structure = look_once
    try:
        yield
    finally:
        import_utils.define_import_structure = look


def linear_sum_assignment(*arguments: Any, **named: Any) -> Any:
    """Do as scipy's function of this name does."""
    from scipy.optimize import linear_sum_assignment as scipys

    return scipys(*arguments, **named)


def llama_norms(model: torch.nn.Module) -> list[RmsNorm]:
    """Return every norm of `model` that is Llama's own class, and none of a subclass."""
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    norms: list[Any] = [module for module in model.modules() if type(module) is LlamaRMSNorm]
    return [RmsNorm(norm, norm.weight, norm.variance_epsilon) for norm in norms]


def checkpoints(model: Any) -> bool:
    """Return whether a model's layers are computed again on the way back."""
    name = "is_activation_checkpointing"
    return bool(getattr(model, name if hasattr(model, name) else "is_gradient_checkpointing"))


def set_checkpointing(model: Any, on: bool) -> None:
    """Switch that on or off; the re-entrant kind needs an input that asks for gradients."""
    stem = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
    if on:
        getattr(model, f"{stem}_checkpointing_enable")({"use_reentrant": False})
    else:
        getattr(model, f"{stem}_checkpointing_disable")()


def cache_argument(model: Any) -> str:
    """Return by which name a model's forward takes a cache: any other it would ignore."""
    known = inspect.signature(model.forward).parameters
    return "cache" if "cache" in known else "past_key_values"


@contextmanager
def chat_templates_on(day: datetime) -> Iterator[None]:
    """While this lasts, chat templates that ask for the date are told this one."""
    from transformers.utils import chat_template_utils

    clock = chat_template_utils.datetime
    chat_template_utils.datetime = SimpleNamespace(now=lambda: day)
    try:
        yield
    finally:
        chat_template_utils.datetime = clock
