"""Compare the attention kernels with torch's attention, in Triton's interpreter; exits with 1."""

from __future__ import annotations

import os

os.environ["TRITON_INTERPRET"] = "1"

import torch
from test_fused_steps import examples

from harness.training.fused import tree_kernels
from harness.training.fused.token_tree import token_tree
from harness.training.fused.tree_attention import TreeAttention

torch.manual_seed(0)
tree = token_tree(examples())
_, _, first, last, *_ = tree.parts(tree.table)
bounds = tree_kernels.bounds_of(first, last)
for kv_heads in (4, 2):
    heads = (4, kv_heads, kv_heads)
    inputs = [torch.randn(tree.tokens, count, 16, requires_grad=True) for count in heads]
    expected = TreeAttention(first, last, 0.25).forward(*inputs).out
    pull = torch.randn_like(expected)
    slopes = torch.autograd.grad(expected, inputs, pull)
    plain = [item.detach() for item in inputs]
    out, sums = tree_kernels.forward(*plain, first, last, bounds, 0.25)
    torch.testing.assert_close(out, expected.detach(), rtol=1e-4, atol=1e-5)
    found = tree_kernels.backward(*plain, first, last, bounds, 0.25, out, sums, pull)
    for mine, theirs in zip(found, slopes, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
