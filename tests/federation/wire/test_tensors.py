"""Tensors have one digest."""

from __future__ import annotations

import numpy as np

from harness.federation.wire.tensors import digest_arrays


def test_the_digest_sees_every_bit_and_no_order() -> None:
    tensors = {
        "up": np.arange(6, dtype=np.float32).reshape(2, 3),
        "down": np.ones((3, 2), np.float32),
    }
    backwards = dict(reversed(tensors.items()))
    assert digest_arrays(backwards) == digest_arrays(tensors)
    name = next(iter(tensors))
    changed = {**tensors, name: np.nextafter(tensors[name], np.float32(np.inf))}
    assert digest_arrays(changed) != digest_arrays(tensors)
