"""Whether training here repeats itself bit for bit: what is set for it, and where that ends.

What is set holds for the whole process and is not put back: a client process does nothing else, and
there is no moment at which other settings would be right. A process that trains and then does
something else, a test for instance, goes on with them.
"""

from __future__ import annotations

import os

import torch

from harness.processes.numeric_threads import use_threads
from harness.spec import RunSpec

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""The environment variable that fixes the memory which cuBLAS sums in; read when CUDA starts."""

REPEATABLE_WORKSPACES = (":4096:8", ":16:8")
"""Source: NVIDIA cuBLAS documentation, "Results reproducibility"."""


def be_deterministic(threads: int) -> None:
    """Set, for this process, what decides whether sums come out the same; other code may undo it.

    Args:
        threads: threads of torch, from 1; see `use_threads`.
    """
    os.environ.setdefault(WORKSPACE, REPEATABLE_WORKSPACES[0])
    torch.use_deterministic_algorithms(True)
    # torch fills fresh memory with NaN in this mode, so that reading it unwritten repeats itself.
    # Nothing here reads memory that it has not written, and filling it takes 6 % of a step. Set by
    # name because torch's module has no type for it.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    use_threads(threads)


def doubts(spec: RunSpec) -> list[str]:
    """Return why a repetition on this device may differ, for the record; none when it cannot.

    torch's own deterministic algorithms repeat themselves on one device, or raise. bitsandbytes'
    kernels are outside of them: on a CPU they were measured to repeat themselves, on a GPU nothing
    promises it.

    Args:
        spec: the run, whose device, threads, quantization and optimizer matter here.
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
