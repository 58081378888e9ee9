"""bitsandbytes' internals: where a quantized layer keeps its values, and how it finds them.

Source: bitsandbytes 0.50, `nn/modules.py` (`Params4bit.quant_state`, `Int8Params.CB`, `.SCB`) and
`backends/default/ops.py` (`int8_vectorwise_dequant`, `_try_torch_compile`, `quantize_4bit`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

NO_COMPILER = "TORCHDYNAMO_DISABLE"
"""Source: torch 2.11 to 2.13, `torch._dynamo.eval_frame._optimize`."""

LEAST_SCALE = 1e-38
"""Of a block of zeros. Source: bitsandbytes 0.50, `backends/default/ops.py`, `quantize_4bit`."""


QUANTIZE = "bitsandbytes::quantize_4bit"

AT_ONCE = 2**17
"""Values that are compared with every bound before the next ones are: they stay in the cache."""

Values = np.ndarray[Any, np.dtype[np.float32]]
Codes = np.ndarray[Any, np.dtype[np.uint8]]


def load_bitsandbytes() -> None:
    """Import bitsandbytes without what takes long, and have it quantize quicker on a CPU.

    It asks torch's compiler, which takes 1.2 s of a processor to load, for four functions, and each
    of them is called where compiling is switched off anyway. What others compile later is compiled.
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
    if not torch._C._dispatch_has_kernel_for_dispatch_key(QUANTIZE, "CPU"):
        torch.library.register_kernel(QUANTIZE, "cpu", quantize_4bit)


def quantize_4bit(
    weight: torch.Tensor, block_size: int, kind: str, storage: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantize as bitsandbytes does where it has no code for the device; the same bits.

    It looks for each value among the 15 bounds between the 16 values of four bits, 14 to 16 ns a
    value on two cores. How many of them a value is not above can be counted instead, by numpy,
    whose comparison takes many values at once (torch's does not): 3 ns on one core.

    Args:
        weight: any shape, of floating point.
        block_size: values that share a scale.
        kind: "nf4" or "fp4".
        storage: dtype of the result, which holds two values in a byte.

    Returns:
        The packed values, (bytes / bytes of `storage`, 1), and the scales, float32 (blocks,).
    """
    from bitsandbytes.backends.default.ops import _get_4bit_quantize_bounds

    bounds, order = _get_4bit_quantize_bounds(kind, weight.device)
    flat = weight.reshape(-1).float()
    whole = flat.numel() - flat.numel() % block_size
    blocks = flat[:whole].reshape(-1, block_size)
    scales = blocks.abs().amax(dim=-1)
    scaled = (blocks * (1.0 / scales.clamp(min=LEAST_SCALE).view(-1, 1))).clamp_(-1, 1).reshape(-1)
    if whole < flat.numel():
        last = flat[whole:].abs().max().clamp(min=LEAST_SCALE)
        scales = torch.cat([scales, last.unsqueeze(0)])
        scaled = torch.cat([scaled, (flat[whole:] / last).clamp(-1, 1)])
    if scaled.numel() % 2:
        scaled = torch.nn.functional.pad(scaled, (0, 1))
    codes = list(range(len(bounds) + 1)) if kind == "nf4" else order.tolist()
    found = _codes_of(scaled.numpy(), bounds.tolist(), codes)
    # The first of two neighbours is the lower half of 16 bits, and the upper half of their byte.
    pairs = torch.from_numpy(found.view("<i2"))
    packed = ((pairs << 4) | (pairs >> 8)).to(torch.uint8)
    return packed.view(storage).unsqueeze(1), scales


def _codes_of(values: Values, bounds: Sequence[float], codes: Sequence[int]) -> Codes:
    """Return the code of each value: `codes[k]` where it is above k of the ascending `bounds`.

    A value that is no number is above all of them, as in the search.
    """
    found = np.full(values.shape, codes[-1], np.uint8)
    not_above = np.empty(AT_ONCE, bool)
    for begin in range(0, len(values), AT_ONCE):
        some, some_found = values[begin : begin + AT_ONCE], found[begin : begin + AT_ONCE]
        hits = not_above[: len(some)]
        for bound, (below, above) in zip(bounds, pairwise(codes), strict=True):
            np.less_equal(some, np.float32(bound), out=hits)
            counted = hits.view(np.uint8)
            if above - below != 1:
                counted *= np.uint8((above - below) % 256)
            some_found -= counted
    return found


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
