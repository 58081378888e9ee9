"""bitsandbytes' internals: where a quantized layer keeps its values.

Source: bitsandbytes 0.50, `nn/modules.py` (`Params4bit.quant_state`, `Int8Params.CB`, `.SCB`) and
`backends/default/ops.py` (`int8_vectorwise_dequant`).
"""

from __future__ import annotations

from typing import Any

import torch


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
