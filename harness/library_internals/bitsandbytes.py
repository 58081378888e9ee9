"""bitsandbytes' internals: where a quantized layer keeps its values.

Source: bitsandbytes 0.50, `nn/modules.py` (`Params4bit.quant_state`, `Int8Params.CB`, `.SCB`) and
`backends/default/ops.py` (`int8_vectorwise_dequant`, `_try_torch_compile`).
"""

from __future__ import annotations

import os
from typing import Any

import torch

NO_COMPILER = "TORCHDYNAMO_DISABLE"
"""Source: torch 2.11 to 2.13, `torch._dynamo.eval_frame._optimize`."""


def load_without_compiler() -> None:
    """Import bitsandbytes without torch's compiler, which takes 1.2 s of a processor to load.

    It is asked to compile four functions at import, and each of them is called where compiling is
    switched off anyway. What others compile later is compiled.
    """
    before = os.environ.get(NO_COMPILER)
    os.environ[NO_COMPILER] = "1"
    try:
        import bitsandbytes  # noqa: F401
    finally:
        if before is None:
            del os.environ[NO_COMPILER]
        else:
            os.environ[NO_COMPILER] = before


def is_quantized(layer: torch.nn.Module) -> bool:
    """Return whether a layer is one of bitsandbytes', in 4 or in 8 bits."""
    import bitsandbytes as bnb

    return isinstance(layer, bnb.nn.Linear4bit | bnb.nn.Linear8bitLt)


def dequantised(layer: Any, dtype: torch.dtype) -> torch.Tensor:
    """Return the weight of a quantized layer, (out, in), in `dtype`.

    The values are those that bitsandbytes makes at each use of a 4-bit layer, and on a CPU of an
    8-bit one, roundings included.
    """
    import bitsandbytes as bnb

    weight = layer.weight
    if isinstance(layer, bnb.nn.Linear4bit):
        values: torch.Tensor = bnb.functional.dequantize_4bit(weight.data, weight.quant_state)
        return values.to(dtype)
    scaled: torch.Tensor = weight.CB.to(dtype).mul_(weight.SCB.unsqueeze(1).mul(1.0 / 127.0))
    return scaled
