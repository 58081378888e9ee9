"""The frozen base model: quantized as the spec says, then kept ready for many steps."""

from __future__ import annotations

from typing import Any

import torch

from harness.components import ModelSpec
from harness.errors import SourceError, UsageError
from harness.training import attention

DEQUANTISED_SHARE = 0.25
"""Share of the free memory that a dequantised base may take: several actors share it."""


def compute_dtype(model: ModelSpec, device: str) -> torch.dtype:
    """Return the type that a client computes in.

    The model's own on a GPU that has it. On a CPU always float32: some processors emulate
    bfloat16, and with one type for all of them a run can be repeated on another machine.
    """
    if device == "cpu" or model.dtype == "float32":
        return torch.float32
    # Emulated, as on cards before Ampere, bfloat16 is slower than float32.
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


def load_tokenizer(model: ModelSpec, model_dir: str) -> Any:
    """Load the model's fast tokenizer.

    Raises:
        SourceError: the folder has none.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            model_dir, local_files_only=True, trust_remote_code=model.trust_remote_code
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SourceError(f"{model_dir}: no tokenizer can be loaded ({reason})") from None


def load_base(model: ModelSpec, model_dir: str, device: str) -> Any:
    """Load and quantize the base model; all its weights are frozen.

    As the template does it: weights are read in the model's type, linear layers are quantized from
    that, and everything else is then held in float32.

    Args:
        model: quantization and types.
        model_dir: folder with safetensors and config.
        device: "cpu" or "cuda".

    Returns:
        The transformers model, set to packed attention; linear layers that are not quantized are in
        the type that they compute in.

    Raises:
        SourceError: the folder does not hold a model that transformers can load.
        UsageError: "cuda" without a GPU.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda: torch finds no GPU here; run with --device cpu")
    disable_progress_bar()
    attention.register()
    dtype = compute_dtype(model, device)
    try:
        base = AutoModelForCausalLM.from_pretrained(
            model_dir,
            dtype=getattr(torch, model.dtype),
            quantization_config=_quantization(model, dtype),
            attn_implementation=attention.NAME,
            device_map={"": device},
            local_files_only=True,
            trust_remote_code=model.trust_remote_code,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SourceError(f"{model_dir}: {model.hub_id} cannot be loaded ({reason})") from error
    for parameter in base.parameters():
        parameter.requires_grad = False
        if parameter.dtype in (torch.bfloat16, torch.float16):
            parameter.data = parameter.data.float()
    base.config.use_cache = False
    if model.quantization == "none":
        _hold_linears_in(base, dtype)
    elif dequantised_bytes(model, dtype) <= DEQUANTISED_SHARE * free_memory_bytes(device):
        dequantise(base, dtype)
    return base


def _hold_linears_in(base: Any, dtype: torch.dtype) -> None:
    """Hold the decoder's linear layers in the type that would be made of them at each use."""
    head = base.get_output_embeddings()
    for layer in base.modules():
        if type(layer) is torch.nn.Linear and layer is not head:
            layer.to(dtype)


def dequantised_bytes(model: ModelSpec, dtype: torch.dtype) -> int:
    """Return the size of the decoder's linear layers in `dtype`."""
    return model.linear_parameters() * dtype.itemsize


def free_memory_bytes(device: str) -> int:
    """Return the memory of the device that this process can still fill."""
    if device == "cuda":
        # The driver counts as taken what torch holds for its next tensors.
        held = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0]) + held
    import psutil

    return int(psutil.virtual_memory().available)


def dequantise(base: torch.nn.Module, dtype: torch.dtype) -> None:
    """Replace 4-bit layers by plain ones with the same values.

    bitsandbytes dequantises a 4-bit layer at every use and then multiplies in `dtype`; keeping the
    dequantised weights changes no bit of the result.
    """
    import bitsandbytes as bnb

    for parent in list(base.modules()):
        for name, layer in list(parent.named_children()):
            if not isinstance(layer, bnb.nn.Linear4bit):
                continue
            weight = layer.weight
            values = bnb.functional.dequantize_4bit(weight.data, weight.quant_state).to(dtype)
            plain = torch.nn.Linear(
                layer.in_features, layer.out_features, layer.bias is not None, device="meta"
            )
            plain.weight = torch.nn.Parameter(values, requires_grad=False)
            if layer.bias is not None:
                plain.bias = torch.nn.Parameter(layer.bias.data.to(dtype), requires_grad=False)
            setattr(parent, name, plain)


def _quantization(model: ModelSpec, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if model.quantization == "none":
        return None
    if model.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=model.quantization,
        bnb_4bit_compute_dtype=dtype,
    )
