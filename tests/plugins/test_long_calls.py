"""Who waits for a plugin's code is told what is waited for."""

from __future__ import annotations

import threading
import time

import pytest

from harness.plugins import long_calls
from harness.plugins.long_calls import hearing_of_long_calls, telling_while_long


def test_a_call_that_takes_long_is_told_again_and_again_and_a_short_one_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(long_calls, "LONG_CALL_S", 0.2)
    with telling_while_long("plugin 'x': import", telling_place):
        time.sleep(0.7)  # told at 0.2 and 0.4, not yet at 0.8
    with telling_while_long("plugin 'y': import"):
        pass
    time.sleep(0.3)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all("still in plugin 'x': import (test_long_calls.py:" in line for line in told)


def telling_place() -> None:
    """Be a function whose place is told."""


def test_many_short_calls_share_a_thread_that_ends_with_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(long_calls, "LONG_CALL_S", 0.2)
    before = threading.active_count()
    for _ in range(1000):
        with telling_while_long("strategy x: loss()"):
            assert threading.active_count() <= before + 1
    time.sleep(0.5)
    assert threading.active_count() <= before
    assert capsys.readouterr().err == ""


def test_another_listener_hears_instead(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(long_calls, "LONG_CALL_S", 0.2)
    heard: list[str] = []
    with hearing_of_long_calls(heard.append), telling_while_long("strategy x: finish()"):
        time.sleep(0.3)
    assert heard == ["still in strategy x: finish(), 0:00 now"]
    assert capsys.readouterr().err == ""
