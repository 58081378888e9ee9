"""A message in Ray's object store: put there once, read by many, bytes and digests the same."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import ray
from flwr.app import ArrayRecord

from harness.federation.wire.names import STORE, SWITCH
from harness.federation.wire.shared_memory import outgoing_record
from harness.federation.wire.tensors import digest_arrays, to_record, to_tensors


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What lies in the store of a cluster; a reference is a number."""
    kept: list[object] = []

    def put(value: object) -> int:
        kept.append([piece.copy() for piece in value])
        return len(kept) - 1

    monkeypatch.setattr(ray, "put", put)
    monkeypatch.setattr(ray, "get", lambda reference: kept[reference])
    monkeypatch.setenv(SWITCH, STORE)
    return kept


def test_a_record_is_put_once_and_read_by_many(store: list[object]) -> None:
    arrays = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a": np.ones((), np.float32),
        "none": np.zeros((0, 2), np.float32),
    }
    sent = outgoing_record(to_record(arrays))
    pickles = [pickle.dumps(sent) for _ in range(3)]
    assert len(store) == 1
    assert max(map(len, pickles)) < 1000
    for text in pickles:
        read = pickle.loads(text)
        assert type(read) is ArrayRecord
        assert list(read) == list(arrays)
        assert digest_arrays(to_tensors(read)) == digest_arrays(arrays)
        assert read.count_bytes() == to_record(arrays).count_bytes()
    assert digest_arrays(to_tensors(sent)) == digest_arrays(arrays)


def test_without_a_cluster_nothing_is_put(
    store: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "")
    record = to_record({"a": np.ones(2, np.float32)})
    assert outgoing_record(record) is record
    assert store == []
