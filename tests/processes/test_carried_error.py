"""An error that crosses to another process is the same error there, or is told in words."""

from __future__ import annotations

import pytest

from harness import errors
from harness.errors import ClientFailedError, HarnessError, PluginError, RecordError
from harness.processes.carried_error import CarriedError

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)
]


def carried(error: BaseException) -> CarriedError:
    text = CarriedError.of(error).text()
    assert text.isascii()
    assert "\n" not in text
    return CarriedError.read(text, "test")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_the_harness_keeps_class_and_message(kind: type[HarnessError]) -> None:
    found = carried(kind("größer\nals erwartet"))
    assert found.kind() is kind
    assert found.message == "größer\nals erwartet"


def test_a_class_of_ones_own_arrives_as_the_harness_class_it_is() -> None:
    class TornError(RecordError):
        """Known in one file only."""

    assert carried(TornError("x")).kind() is RecordError


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_another_error_has_a_name_and_no_class(error: BaseException) -> None:
    found = carried(error)
    assert found.kind() is None
    assert found.name == type(error).__name__


def test_a_foreign_class_of_a_harness_name_is_not_the_harness_s() -> None:
    class PluginError(Exception):
        """A plugin's own."""

    assert carried(PluginError("x")).kind() is None


def test_it_brings_its_traceback_and_a_name_that_is_no_text() -> None:
    try:
        raise PluginError("file a\udcff.json")
    except PluginError as error:
        found = carried(error)
    assert "file a\\udcff.json" in found.message
    assert "in test_it_brings" in found.traceback


def test_what_is_no_carried_error_is_refused() -> None:
    for text in ("", "Killed", "{}", '{"error": "PluginError"}'):
        with pytest.raises(RecordError):
            CarriedError.read(text, "the last line")


def test_a_function_of_the_module_is_no_class() -> None:
    assert CarriedError(name="did_you_mean", message="x").kind() is None
    assert issubclass(ClientFailedError, HarnessError)
