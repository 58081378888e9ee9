"""Whether training here repeats itself bit for bit: what is set for it, and where that ends."""

from __future__ import annotations

import os

import torch

from harness.spec import RunSpec

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
REPEATABLE_WORKSPACES = (":4096:8", ":16:8")
"""Source: NVIDIA cuBLAS documentation, "Results reproducibility"."""


def be_deterministic(threads: int) -> None:
    """Set what of this process decides whether sums come out the same; other code may undo it.

    Args:
        threads: of torch; another number sums in another order.
    """
    os.environ.setdefault(WORKSPACE, REPEATABLE_WORKSPACES[0])
    torch.use_deterministic_algorithms(True)
    # Nothing here reads memory that it has not written; filling it takes 6 % of a step.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    torch.set_num_threads(threads)


def doubts(spec: RunSpec) -> list[str]:
    """Return why a repetition on this device may differ, for the record; none when it cannot.

    torch's own deterministic algorithms repeat themselves on one device, or raise. bitsandbytes'
    kernels are outside of them: on a CPU they were measured to repeat themselves, on a GPU nothing
    promises it.
    """
    found = []
    if (
        not torch.are_deterministic_algorithms_enabled()
        or torch.is_deterministic_algorithms_warn_only_enabled()
    ):
        found.append("torch's deterministic algorithms were switched off")
    if torch.get_num_threads() != spec.compute.threads:
        found.append(f"torch used {torch.get_num_threads()} threads instead of the spec's")
    if spec.compute.device == "cuda":
        if os.environ.get(WORKSPACE) not in REPEATABLE_WORKSPACES:
            found.append(f"{WORKSPACE} is {os.environ.get(WORKSPACE)!r}")
        parts: list[str] = [spec.model.quantization] if spec.model.quantization != "none" else []
        parts += [spec.train.optimizer] if _is_bitsandbytes(spec.train.optimizer) else []
        if parts:
            found.append(
                f"bitsandbytes' CUDA kernels ({', '.join(parts)}) do not promise to repeat"
                " themselves"
            )
    return found


def _is_bitsandbytes(optimizer: str) -> bool:
    return optimizer.endswith(("_8bit", "_32bit"))
