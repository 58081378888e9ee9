"""torch's internals: one call for a whole list of tensors.

Source: torch 2.11 to 2.13, `_foreach_copy_`, which its optimizers use.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def copy_all(targets: Sequence[torch.Tensor], sources: Sequence[torch.Tensor]) -> None:
    """Copy each source into its target, which has as many values in some shape.

    Args:
        targets: written to.
        sources: of the targets' type.
    """
    views = [source.view(target.shape) for source, target in zip(sources, targets, strict=True)]
    torch._foreach_copy_(list(targets), views)
