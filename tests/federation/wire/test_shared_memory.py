"""A lent record is the record itself to its reader, in whatever process, and leaves nothing."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ArrayRecord
from served import serve
from tiny_run import tiny_run

from harness.federation.wire import shared_memory
from harness.federation.wire.names import ARRAYS_RECORD, SWITCH
from harness.federation.wire.numpy_arrays import QuickArray
from harness.federation.wire.tensors import digest_arrays, to_record, to_tensors

TENSORS = {
    "b": np.arange(12, dtype=np.float32).reshape(3, 4),
    "a": np.zeros((0, 3), np.float32),
    "scalar": np.array(3.0, np.float32),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
}

READER = """
import pickle, sys
from harness.federation.wire.tensors import digest_arrays, to_tensors
record = pickle.load(sys.stdin.buffer)
print(type(record).__name__, record.count_bytes(), digest_arrays(to_tensors(record)), *record)
"""


def read_elsewhere(record: ArrayRecord) -> list[str]:
    """Let another process unpickle a record; return its class, bytes, digest and names."""
    done = subprocess.run(
        [sys.executable, "-c", READER], input=pickle.dumps(record), capture_output=True, check=True
    )
    return done.stdout.decode().split()


def test_another_process_reads_the_same_tensors_in_the_same_order() -> None:
    record, plain = shared_memory.lend(TENSORS), to_record(TENSORS)
    assert record == plain
    expected = ["ArrayRecord", str(plain.count_bytes()), digest_arrays(TENSORS), *TENSORS]
    assert read_elsewhere(record) == expected


def test_the_message_holds_a_place_and_not_the_bytes() -> None:
    tensors = {"large": np.random.default_rng(3).standard_normal(2**18)}
    assert len(pickle.dumps(shared_memory.lend(tensors))) < 2000


def test_what_is_read_is_read_only_and_what_a_strategy_reads_is_its_own() -> None:
    record = shared_memory.lend(TENSORS)
    with pytest.raises(ValueError, match="read-only"):
        to_tensors(record)["b"][0, 0] = 1
    own = record["b"].numpy()
    own += 1
    assert digest_arrays(to_tensors(record)) == digest_arrays(TENSORS)


def test_a_strategy_may_copy_and_pickle_what_it_received() -> None:
    record = shared_memory.lend(TENSORS)
    received = pickle.loads(pickle.dumps(record))
    for copied in (copy.deepcopy(received), pickle.loads(pickle.dumps(received))):
        assert digest_arrays(to_tensors(copied)) == digest_arrays(TENSORS)
    assert received.object_id == to_record(TENSORS).object_id


def test_memory_goes_with_the_record_and_a_reader_keeps_what_it_has() -> None:
    before = len(os.listdir("/proc/self/fd"))
    record = shared_memory.lend(TENSORS)
    place = record.__reduce__()
    reader = pickle.loads(pickle.dumps(record))
    del record
    with pytest.raises(FileNotFoundError):
        place[0](*place[1])
    assert digest_arrays(to_tensors(reader)) == digest_arrays(TENSORS)
    del reader
    assert len(os.listdir("/proc/self/fd")) == before


def test_other_memory_under_the_same_handle_is_not_taken_for_it() -> None:
    record = shared_memory.lend(TENSORS)
    borrow, (place, entries) = record.__reduce__()
    del record
    other = shared_memory.lend({name: array + 1 for name, array in TENSORS.items()})
    assert other.__reduce__()[1][0].handle == place.handle
    with pytest.raises(FileNotFoundError, match="took harness-"):
        borrow(place, entries)


def test_an_empty_record_can_be_lent() -> None:
    assert read_elsewhere(shared_memory.lend({}))[0] == "ArrayRecord"


def test_nothing_is_lent_unless_all_processes_are_on_one_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    sent = shared_memory.outgoing(TENSORS)
    assert type(sent) is ArrayRecord
    assert all(isinstance(array, QuickArray) for array in sent.values())
    assert shared_memory.outgoing_record(sent) is sent


@pytest.mark.parametrize("recipe", ["fedavg", "fedsa", "adam"])
def test_a_run_is_the_same_with_lent_messages_each_written_once(
    recipe: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(tiny_model, recipe, supernodes=4)
    monkeypatch.delenv(SWITCH, raising=False)
    plain = serve(run, tmp_path / "plain")
    monkeypatch.setenv(SWITCH, "1")
    shared = serve(run, tmp_path / "lent")
    assert shared.digests == plain.digests
    messages = [m for m in shared.grid.sent if m.metadata.message_type == "train"]
    records = {id(message.content[ARRAYS_RECORD]) for message in messages}
    assert all(
        isinstance(message.content[ARRAYS_RECORD], shared_memory.LentRecord) for message in messages
    )
    assert len(records) == run.spec.train.rounds
