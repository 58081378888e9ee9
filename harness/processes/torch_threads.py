"""How many threads torch computes with, set so that none of them is given other numbers.

On Intel's and AMD's processors torch hands `exp`, `cos` and others to the vector functions of MKL,
which find out at their first call which code is for this processor, and note the answer in two
steps. A second thread that calls between them is given code of a lower precision, for that call.
The first of a client is that for the cosines of its tokens' positions: on two idle cores one
process in fifty trained another adapter (`bench/first_calls.py`). So the first call is made here,
on one value, which no threads share.

Source: MKL 2024.2, as torch 2.10 to 2.13 have it: https://github.com/pytorch/pytorch/issues/188792.
"""

from __future__ import annotations

VECTOR_FUNCTIONS = (
    "acos", "asin", "atan", "cos", "cosh", "erf", "erfc", "erfinv", "exp", "expm1", "log", "log10",
    "log1p", "log2", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
)  # fmt: skip
"""Torch's functions that may be MKL's. Source: torch 2.13, `aten/src/ATen/cpu/vml.h`."""


def use_threads(threads: int) -> None:
    """Set how many threads torch computes with, before it has computed anything with more than one.

    Args:
        threads: from 1. Another number cuts a sum into other parts, and sums of other parts differ
            in the last bits.
    """
    import torch

    torch.set_num_threads(threads)
    for dtype in (torch.float32, torch.float64):
        one = torch.ones(1, dtype=dtype, device="cpu")
        for name in VECTOR_FUNCTIONS:
            getattr(torch, name)(one)
