"""SIGINT, SIGTERM and SIGHUP are answered by the innermost owner, and handed back as they were."""

from __future__ import annotations

import signal
import threading

import pytest

from harness.processes.signals import (
    SIGNALS,
    answering_signals,
    interrupt,
    watching_signals,
)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_innermost_answer_holds_and_the_others_come_back(number: signal.Signals) -> None:
    stop = threading.Event()
    before = signal.getsignal(number)
    with answering_signals(stop.set) as came:
        with pytest.raises(KeyboardInterrupt), answering_signals(interrupt) as inside:
            signal.raise_signal(number)
        assert (inside, came, stop.is_set()) == ([number], [], False)
        signal.raise_signal(number)
        signal.raise_signal(number)
        assert (came, stop.is_set()) == ([number, number], True)
    assert signal.getsignal(number) is before


def test_a_handler_that_a_library_sets_inside_is_undone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with answering_signals(interrupt):
        signal.signal(signal.SIGTERM, lambda *_: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_who_watches_changes_no_answer() -> None:
    stop = threading.Event()
    with answering_signals(stop.set), watching_signals() as seen:
        signal.raise_signal(signal.SIGTERM)
        assert (seen, stop.is_set()) == ([signal.SIGTERM], True)


def test_another_thread_changes_nothing() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    found: list[object] = []

    def look() -> None:
        with answering_signals(interrupt), watching_signals():
            found.append({number: signal.getsignal(number) for number in SIGNALS})

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [before]


def test_what_nohup_has_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with answering_signals(interrupt) as came, watching_signals():
            signal.raise_signal(signal.SIGHUP)
        assert came == []
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
