"""A look into a message keeps nothing of it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from harness.federation.wire.records import records_in
from harness.federation.wire.tensors import to_record


def content() -> RecordDict:
    values = {"b": MetricRecord({"loss": 1.0}), "a": to_record({"w": np.zeros(2, np.float32)})}
    return RecordDict({**values, "c": ConfigRecord({"round": 1})})


def test_records_come_by_kind() -> None:
    found = content()
    for kind, name in ((ArrayRecord, "a"), (MetricRecord, "b"), (ConfigRecord, "c")):
        assert records_in(found, kind) == {name: found[name]}


def test_what_was_looked_at_is_freed_at_once() -> None:
    gc.disable()
    try:
        found = content()
        looked = weakref.ref(found["a"])
        assert records_in(found, ArrayRecord)
        del found
        assert looked() is None
        found = content()  # Flower's own way, which is why there is ours
        looked = weakref.ref(found["a"])
        assert found.array_records
        del found
        assert looked() is not None
    finally:
        gc.enable()
