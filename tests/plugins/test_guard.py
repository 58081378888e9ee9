"""What plugin code raises names the plugin; a user's Ctrl-C stays one."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from harness.errors import PluginError
from harness.plugins.guard import calling_plugin

Install = Callable[..., str]


@pytest.mark.parametrize("error", [KeyboardInterrupt("mine"), SystemExit(3), ValueError("x")])
def test_whatever_is_raised_without_a_signal_is_the_plugins(error: BaseException) -> None:
    named = f"plugin 'x' raised {type(error).__name__}"
    with pytest.raises(PluginError, match=named), calling_plugin("plugin 'x'"):
        raise error


def test_code_that_ends_the_process_is_named_with_its_line() -> None:
    with pytest.raises(PluginError) as caught, calling_plugin("strategy x: finish()"):
        os._exit(3)
    assert "finish() raised SystemExit: os._exit(3), which ends" in str(caught.value)
    assert "(test_guard.py:" in str(caught.value)


def test_a_process_that_the_code_forks_may_end_itself_and_so_may_anybody_after_the_call() -> None:
    with calling_plugin("strategy x: finish()"):
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    child = os.fork()
    if child == 0:
        with suppress(PluginError), calling_plugin("strategy x: finish()"):
            os._exit(3)
        os._exit(8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 8


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


def test_code_that_prints_is_not_blamed_for_a_log_that_nobody_can_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = open("/dev/full", "w")  # noqa: SIM115
    monkeypatch.setattr("sys.stderr", full)
    with calling_plugin("plugin 'x'"):
        print("far along", flush=True)
        print("nearly there", file=sys.stderr, flush=True)
        with calling_plugin("inside"):
            logging.StreamHandler().emit(logging.makeLogRecord({"msg": "there"}))
        assert sys.stdout.fileno() == full.fileno()
    assert sys.stderr is full
    with suppress(OSError):
        full.close()


def test_what_code_prints_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with calling_plugin("plugin 'x'"):
        print("far along")
    assert capsys.readouterr() == ("", "far along\n")
