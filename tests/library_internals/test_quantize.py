"""Four bits are found quicker than by bitsandbytes, and are the same bits."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")

EQUAL = """
import itertools, torch
import bitsandbytes
from bitsandbytes.backends.default.ops import _get_4bit_quantize_bounds
from harness.library_internals.bitsandbytes import AT_ONCE, QUANTIZE
from harness.library_internals.bitsandbytes import load_bitsandbytes, quantize_4bit

theirs = torch.ops.bitsandbytes.quantize_4bit.default
drawn = torch.Generator().manual_seed(0)
weights = [
    torch.randn(shape, generator=drawn).to(dtype)
    for shape in ((64,), (1,), (3,), (127,), (577, 65), (128, 128))
    for dtype in (torch.float32, torch.bfloat16, torch.float16)
]
weights.append(torch.zeros(130))
weights += [torch.randn(AT_ONCE + more, generator=drawn) for more in (-64, 0, 64, 2 * AT_ONCE + 3)]
weights += [torch.full((65,), value) for value in (5e-39, 9e-39, 1.1e-38, 2e-38)]  # the least scale
strange = torch.randn(256, generator=drawn)
strange[3], strange[100], strange[101] = float("nan"), float("inf"), -float("inf")
weights.append(strange)
for kind in ("nf4", "fp4"):  # every value at a bound, and its neighbours
    bounds, _ = _get_4bit_quantize_bounds(kind, torch.device("cpu"))
    near = [(bounds.view(torch.int32) + step).view(torch.float32) for step in range(-3, 4)]
    weights.append(torch.cat([torch.ones(1), *near]))
cases = [
    (weight, size, kind, storage)
    for weight, size, kind in itertools.product(weights, (64, 128), ("nf4", "fp4"))
    for storage in (torch.uint8, torch.bfloat16)
    if storage == torch.uint8 or weight.numel() % 4 == 0
]
before = [theirs(*case) for case in cases]
assert not torch._C._dispatch_has_kernel_for_dispatch_key(QUANTIZE, "CPU")
load_bitsandbytes()
load_bitsandbytes()
assert torch._C._dispatch_has_kernel_for_dispatch_key(QUANTIZE, "CPU")
for case, (packed, scales) in zip(cases, before, strict=True):
    for ours in (quantize_4bit(*case), theirs(*case)):
        assert ours[0].dtype == packed.dtype and ours[0].shape == packed.shape, case
        assert torch.equal(ours[0].view(torch.uint8), packed.view(torch.uint8)), case
        assert ours[1].dtype == scales.dtype, case
        assert torch.equal(ours[1].nan_to_num(7), scales.nan_to_num(7)), case
print(len(cases))
"""


def test_every_kind_of_value_gets_the_bits_that_bitsandbytes_gives_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EQUAL], capture_output=True, text=True, check=False,
        env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, f"mend harness/library_internals/bitsandbytes.py: {done.stderr}"
    assert int(done.stdout) > 100
