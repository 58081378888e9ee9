"""What plugin code raises names the plugin; a user's Ctrl-C stays one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from harness.errors import PluginError
from harness.plugins.guard import calling_plugin

Install = Callable[..., str]


@pytest.mark.parametrize("error", [KeyboardInterrupt("mine"), SystemExit(3), ValueError("x")])
def test_whatever_is_raised_without_a_signal_is_the_plugins(error: BaseException) -> None:
    named = f"plugin 'x' raised {type(error).__name__}"
    with pytest.raises(PluginError, match=named), calling_plugin("plugin 'x'"):
        raise error


def test_another_thread_meets_no_signal() -> None:
    caught: list[BaseException] = []

    def call() -> None:
        try:
            with calling_plugin("plugin 'x'"):
                raise KeyboardInterrupt
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert [type(error) for error in caught] == [PluginError]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_code_as_it_would_anywhere(number: signal.Signals) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, stop)
    try:
        with (
            pytest.raises(KeyboardInterrupt),
            calling_plugin("plugin 'x'"),
            calling_plugin("inside"),
        ):
            signal.raise_signal(number)
        assert signal.getsignal(number) is stop, "the handler is as it was"
    finally:
        signal.signal(number, before)


def test_a_handler_that_the_code_sets_stays() -> None:
    def mine(*_: object) -> None: ...

    before = signal.getsignal(signal.SIGINT)
    try:
        with calling_plugin("plugin 'x'"):
            signal.signal(signal.SIGINT, mine)
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)
