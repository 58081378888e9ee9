"""Arrays with fewer copies are Flower's arrays to the byte."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from flwr.app import Array

from harness.federation.wire.numpy_arrays import quick_array, view

VALUES = {
    "matrix": np.arange(12, dtype=np.float32).reshape(3, 4),
    "scalar": np.array(3.0, dtype=np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "strided": np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, ::2],
}


@pytest.mark.parametrize("name", VALUES)
def test_the_bytes_are_those_that_flower_writes_and_counts(name: str) -> None:
    values = VALUES[name]
    ours, theirs = quick_array(values), Array(values)
    assert (ours.data, ours.shape, ours.dtype, ours.stype) == (
        theirs.data,
        theirs.shape,
        theirs.dtype,
        theirs.stype,
    )


@pytest.mark.parametrize("name", VALUES)
def test_an_array_of_either_kind_is_read_as_flower_reads_it(name: str) -> None:
    values = VALUES[name]
    for array in (quick_array(values), Array(values), Array(np.asfortranarray(values))):
        np.testing.assert_array_equal(view(array), array.numpy())


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("name", VALUES)
def test_it_survives_the_way_to_another_process(name: str, protocol: int) -> None:
    array = quick_array(VALUES[name])
    buffers: list[pickle.PickleBuffer] = []
    beside = buffers.append if protocol == 5 else None
    text = pickle.dumps(array, protocol, buffer_callback=beside)
    assert pickle.loads(text, buffers=buffers) == array
    assert not buffers or array.data not in text


def test_a_strategy_may_write_to_what_it_reads_and_changes_no_message() -> None:
    array = quick_array(VALUES["matrix"])
    read = array.numpy()
    read += 1
    np.testing.assert_array_equal(array.numpy(), VALUES["matrix"])
    with pytest.raises(ValueError, match="read-only"):
        view(array)[0, 0] = 1


def test_python_objects_are_refused() -> None:
    array = Array("object", (1,), "numpy.ndarray", Array(np.zeros(1)).data.replace(b"<f8", b"|O8"))
    with pytest.raises(ValueError, match="Python objects"):
        view(array)


def test_a_superlink_takes_the_arrays_as_flower_s_own() -> None:
    from flwr.app import Array
    from flwr.supercore.inflatable.inflatable_object import (
        get_all_nested_objects,
        get_object_type_from_object_content,
    )

    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    ours, theirs = quick_array(values), Array(values)
    assert ours.object_id == theirs.object_id
    sent = get_all_nested_objects(ours)
    assert sent.keys() == get_all_nested_objects(theirs).keys()
    kinds = {get_object_type_from_object_content(item.deflate()) for item in sent.values()}
    assert kinds == {"Array", "ArrayChunk"}
