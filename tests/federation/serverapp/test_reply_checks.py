"""What a reply must say of its device, and what is made of an error reply."""

from __future__ import annotations

import pytest

from harness.errors import ClientFailedError, RecordError
from harness.federation.serverapp.reply_checks import read_device, read_error
from harness.processes.carried_error import CarriedError
from harness.record.machine import Device

DEVICE = Device(kind="cpu", name="x", threads=1, actors=1, dtype="float32", deterministic=True)


def test_a_device_is_read_as_it_was_written() -> None:
    assert read_device({"device": DEVICE.canonical_json()}) == DEVICE


@pytest.mark.parametrize(
    "notes", [{}, {"device": ""}, {"device": "{}"}, {"device": '{"kind": "abacus"}'}]
)
def test_a_reply_without_a_device_is_refused(notes: dict[str, str]) -> None:
    with pytest.raises(RecordError, match="device of a client"):
        read_device(notes)


def test_the_harness_s_own_error_is_final_and_another_is_not() -> None:
    own = read_error(CarriedError.of(ClientFailedError("the reason")).text())
    assert (own.cause, own.final) == ("the reason", ClientFailedError)
    other = read_error(CarriedError.of(ValueError("first line\nsecond")).text())
    assert (other.cause, other.final) == ("ValueError: first line", None)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("The actor died: ActorDiedError", "the process that ran it died"),
        ("one\n\n  two  \n", "two"),
        (" \n", "an error without a reason"),
    ],
)
def test_ray_s_own_words_are_told(reason: str, cause: str) -> None:
    found = read_error(reason)
    assert (found.cause, found.final) == (cause, None)
