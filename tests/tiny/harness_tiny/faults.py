"""Faults on order: a file `KIND-PARTITION` in a folder makes that client fail so many times.

The file's text is the number of times left; each failure counts it down, so a client can fail once
and then work.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

KINDS = (
    "raise", "refuse", "hang", "hang-in-c", "die", "nan", "shape", "missing", "dtype", "extra",
    "order", "delay",
)  # fmt: skip


def order(folder: Path, kind: str, partition: int, times: int = 1) -> None:
    """Order a fault."""
    (folder / f"{kind}-{partition}").write_text(str(times))


def install(folder: str) -> None:
    """Wrap the trainer of this process."""
    from harness.training.trainer import Trainer

    work = Trainer.train

    def train(
        self: Any, arrays: Mapping[str, np.ndarray], round: int, partition: int, *rest: Any
    ) -> Any:
        due = [kind for kind in KINDS if _take(Path(folder) / f"{kind}-{partition}")]
        for kind in due:
            _before(kind)
        update = work(self, arrays, round, partition, *rest)
        for kind in due:
            update = dataclasses.replace(update, arrays=_spoil(kind, update.arrays))
        return update

    Trainer.train = train  # type: ignore[method-assign]


def _take(path: Path) -> bool:
    if not path.is_file():
        return False
    left = int(path.read_text())
    if left > 0:
        path.write_text(str(left - 1))
    return left > 0


def _before(kind: str) -> None:
    if kind == "raise":
        raise ValueError("the moon is in the wrong house")
    if kind == "refuse":
        from harness.errors import PluginError

        raise PluginError("the prompt masks every label")
    if kind == "hang":
        time.sleep(10_000)
    if kind == "hang-in-c":
        # Sleeps with the interpreter locked: no Python thread can end it.
        ctypes.PyDLL(None).sleep(10_000)
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "delay":
        time.sleep(1.5)


def _spoil(kind: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    first = next(iter(arrays))
    spoiled = {name: array.copy() for name, array in arrays.items()}
    if kind == "nan":
        spoiled[first].flat[0] = np.nan
    if kind == "shape":
        spoiled[first] = spoiled[first][:-1]
    if kind == "missing":
        del spoiled[first]
    if kind == "dtype":
        spoiled[first] = spoiled[first].astype(np.float16)
    if kind == "extra":
        spoiled["extra"] = np.zeros(1, dtype=np.float32)
    if kind == "order":
        spoiled[first] = spoiled.pop(first)
    return spoiled
