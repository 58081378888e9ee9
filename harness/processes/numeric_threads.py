"""How many threads numeric libraries compute with, so that no number depends on the machine.

Sums of float numbers cut into other parts differ in the last bits, so the number of threads is the
run's, or one. And the first call of a vector function may not be that of several threads.

On Intel's and AMD's processors torch hands `exp`, `cos` and others to the vector functions of MKL,
which find out at their first call which code is for this processor, and note the answer in two
steps. A second thread that calls between them is given code of a lower precision, for that call.
The first of a client is that for the cosines of its tokens' positions: on two idle cores one
process in fifty trained another adapter (`bench/first_calls.py`). So the first call is made here,
on one value, which no threads share.

Source: MKL 2024.2, as torch 2.10 to 2.13 have it: https://github.com/pytorch/pytorch/issues/188792.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

VECTOR_FUNCTIONS = (
    "acos", "asin", "atan", "cos", "cosh", "erf", "erfc", "erfinv", "exp", "expm1", "log", "log10",
    "log1p", "log2", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
)  # fmt: skip
"""Torch's functions that may be MKL's. Source: torch 2.13, `aten/src/ATen/cpu/vml.h`."""

OPENMP = "OMP_NUM_THREADS"
"""The environment variable that torch's and numpy's libraries take their number from when they are
loaded."""


def use_threads(threads: int) -> None:
    """Set how many threads torch and numpy compute with, before torch has used more than one.

    Args:
        threads: from 1.
    """
    _torch_threads(threads)
    threadpool_limits(threads, user_api="blas")  # for good: it is no context here


def _torch_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    for dtype in (torch.float32, torch.float64):
        one = torch.ones(1, dtype=dtype, device="cpu")
        for name in VECTOR_FUNCTIONS:
            getattr(torch, name)(one)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread while this context lasts: what numpy calls, and torch.

    What a strategy makes of its replies is the same on 1 core and on 64 then: an SVD of 576 by 576
    values in float64 is not, by OpenBLAS. Nor do its threads wait for each other beside other work:
    the best rank of one layer's product took 0.08 s on one thread and 4 s on two. A library that
    is loaded meanwhile keeps one thread.
    """
    torch, before = sys.modules.get("torch"), os.environ.get(OPENMP)
    threads = torch.get_num_threads() if torch is not None else 1
    os.environ[OPENMP] = "1"
    try:
        if torch is not None:
            _torch_threads(1)
        with threadpool_limits(1):
            yield
    finally:
        os.environ.pop(OPENMP, None)
        if before is not None:
            os.environ[OPENMP] = before
        if torch is not None:
            torch.set_num_threads(threads)
