"""A warm start: the adapter that clients begin with is read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import PluginError, SourceError
from harness.training.adapter import Arrays


def warm_values(path: Path, shapes: Mapping[str, tuple[int, ...]], where: str) -> Arrays:
    """Return an adapter's values out of a file, in the order of `shapes`, float32.

    Args:
        path: its `adapter_model.safetensors`.
        shapes: of the run's adapter.
        where: what the adapter is called, for messages.

    Raises:
        SourceError: the file cannot be read.
        PluginError: it holds other tensors than the run's adapter.
    """
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise SourceError(f"{path}: no readable adapter ({error})") from None
    there = {name: tuple(values.shape) for name, values in found.items()}
    if there != {name: tuple(shape) for name, shape in shapes.items()}:
        raise PluginError(f"the warm start {where} holds other tensors than the run's adapter")
    return {name: np.asarray(found[name], np.float32) for name in shapes}
