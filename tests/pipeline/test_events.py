"""Whoever watches a run is told each round once, and can do it no harm."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest
from clean_submission import Submission

from harness.evaluation.sealed.evaluator import Evaluator
from harness.pipeline.events import POLL_S, Event, Events, told
from harness.pipeline.run import ready_for_the_end
from harness.record.federation import RoundRecord

ROUNDS = [RoundRecord.model_validate(item) for item in Submission().record["federation"]["rounds"]]


def line(item: RoundRecord) -> bytes:
    return item.model_dump_json().encode() + b"\n"


def test_rounds_are_told_as_they_are_written_and_the_last_one_at_the_end(tmp_path: Path) -> None:
    ledger, seen = tmp_path / "rounds.jsonl", []
    with Events([seen.append]).rounds(ledger, 3):
        with ledger.open("ab") as file:
            file.write(line(ROUNDS[0])[:40])
            file.flush()
            time.sleep(1.5 * POLL_S)
            assert seen == []  # half a line is no round
            file.write(line(ROUNDS[0])[40:])
        time.sleep(2.5 * POLL_S)
        assert [event.round for event in seen] == ROUNDS[:1]
        with ledger.open("ab") as file:
            file.write(line(ROUNDS[1]) + line(ROUNDS[2]))
    assert [event.round for event in seen] == ROUNDS
    sent = [item.bytes_down + item.bytes_up for item in ROUNDS]
    assert [event.bytes_total for event in seen] == [sum(sent[: n + 1]) for n in range(3)]


def test_what_an_earlier_session_wrote_counts_and_is_not_told(tmp_path: Path) -> None:
    ledger, seen = tmp_path / "rounds.jsonl", []
    ledger.write_bytes(line(ROUNDS[0]))
    with Events([seen.append]).rounds(ledger, 3), ledger.open("ab") as file:
        file.write(line(ROUNDS[1]))
    [event] = seen
    assert event.round == ROUNDS[1]
    sent = [item.bytes_down + item.bytes_up for item in ROUNDS]
    assert event.bytes_total == sent[0] + sent[1]


def test_an_observer_that_fails_is_left_and_the_others_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls, seen = [], []

    def broken(event: Event) -> None:
        calls.append(event)
        raise ConnectionError("the tracker is down")

    events = Events([broken, seen.append])
    events.step("one")
    events.step("two")
    assert [event.text for event in seen] == ["one", "two"]
    assert len(calls) == 1
    said = capsys.readouterr().err
    assert "ConnectionError: the tracker is down; it is told nothing more, the run goes on" in said


def test_a_console_line_has_the_time_and_the_words(capsys: pytest.CaptureFixture[str]) -> None:
    events = Events([told])
    events.round(ROUNDS[0], 12, 3 * 2**20)
    said = capsys.readouterr().err
    assert said.startswith("[0:00] round 1/12: loss ")
    assert "3.0 MiB so far" in said


@pytest.mark.parametrize(("rounds", "after"), [(3, [2]), (2, [1]), (1, [])])
def test_the_evaluating_process_starts_when_the_last_round_begins(
    rounds: int, after: list[int]
) -> None:
    done, started = [0], []

    class Watched(Evaluator):
        def start(self, ahead: bool) -> None:
            assert ahead
            started.append(done[0])

    events = Events([])
    with Watched(1) as evaluator, events.also(partial(ready_for_the_end, evaluator, rounds)):
        for item in ROUNDS[:rounds]:
            done[0] = item.round
            events.round(item, rounds, 0)
    events.round(ROUNDS[0], 2, 0)  # whoever watched for a while is told nothing more
    assert started == after
