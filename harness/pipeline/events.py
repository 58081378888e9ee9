"""Events of a run, for whoever watches: a person's console, a notebook, an experiment tracker.

The rounds are read off the ledger as they are written, so that no process of the federation knows
of a watcher, and a watcher that fails takes nothing with it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal

from pydantic import ValidationError

from harness.progress import format_duration, in_place, paint, say
from harness.record.federation import RoundRecord
from harness.record.result import ResultRecord

POLL_S = 0.5
"""Seconds between two looks at the ledger."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run."""

    kind: Literal["step", "round", "finished"]
    text: str
    """What it is in words, for people."""
    elapsed_s: float
    """Since this session of the run began."""
    run_dir: Path | None = None
    """None before there is one."""
    round: RoundRecord | None = None
    """Of kind `round`."""
    of_rounds: int | None = None
    bytes_total: int | None = None
    """Sent and received up to and with this round, in all sessions."""
    record: ResultRecord | None = field(default=None, repr=False)
    """Of kind `finished`; it would fill a notebook's pages."""


Observer = Callable[[Event], None]


class Events:
    """One session's events, told to every observer in the order in which they happen."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        """Begin the session's clock."""
        self._observers = list(observers)
        self._begin = time.monotonic()
        self._lock = threading.Lock()
        self.run_dir: Path | None = None
        """The run directory, once it is known."""

    @contextmanager
    def also(self, observer: Observer) -> Iterator[None]:
        """Tell one observer more while this context lasts."""
        self._observers.append(observer)
        try:
            yield
        finally:
            with suppress(ValueError):  # one that failed was taken out
                self._observers.remove(observer)

    def step(self, text: str) -> None:
        """Tell that a step of the run has begun or was taken."""
        self._tell("step", text)

    def finished(self, record: ResultRecord) -> None:
        """Tell that the result is written."""
        self._tell("finished", f"result: {self.run_dir}/result.json", record=record)

    def rounds(self, ledger: Path, of_rounds: int) -> Watch:
        """Return a context in which every new line of a ledger is told as a round.

        Args:
            ledger: `rounds.jsonl`; need not exist yet. What it holds already is not told.
            of_rounds: rounds of the whole run.
        """
        return Watch(self, ledger, of_rounds)

    def round(self, item: RoundRecord, of_rounds: int, bytes_total: int) -> None:
        """Tell that a round is on the ledger."""
        text = (
            f"round {item.round}/{of_rounds}: loss {item.train_loss:.4f},"
            f" {bytes_total / 2**20:,.1f} MiB so far, {item.duration_s:.1f} s"
        )
        self._tell("round", text, round=item, of_rounds=of_rounds, bytes_total=bytes_total)

    def _tell(
        self,
        kind: Literal["step", "round", "finished"],
        text: str,
        *,
        round: RoundRecord | None = None,
        of_rounds: int | None = None,
        bytes_total: int | None = None,
        record: ResultRecord | None = None,
    ) -> None:
        elapsed_s = time.monotonic() - self._begin
        event = Event(kind, text, elapsed_s, self.run_dir, round, of_rounds, bytes_total, record)
        with self._lock:
            for observer in list(self._observers):
                try:
                    observer(event)
                except (Exception, SystemExit) as error:
                    # The run is worth more than its watchers; a broken one is told once and left.
                    self._observers.remove(observer)
                    name = getattr(observer, "__qualname__", type(observer).__name__)
                    why = " ".join(f"{type(error).__name__}: {error}".split())
                    say(f"observer {name}: {why}; it is told nothing more, the run goes on")


class Watch:
    """Reads a ledger as it grows, in a thread of its own."""

    def __init__(self, events: Events, ledger: Path, of_rounds: int) -> None:
        """Remember what is there already."""
        self._events, self._ledger, self._of_rounds = events, ledger, of_rounds
        self._stop = threading.Event()
        self._bytes_total = 0
        self._at = 0
        for item in self._new():
            self._bytes_total += item.bytes_down + item.bytes_up
        self._thread = threading.Thread(target=self._loop, name="harness-events", daemon=True)

    def __enter__(self) -> Watch:
        """Start reading."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, after what was written last is told."""
        self._stop.set()
        self._thread.join()
        self._look()

    def _loop(self) -> None:
        while not self._stop.wait(POLL_S):
            self._look()

    def _look(self) -> None:
        for item in self._new():
            self._bytes_total += item.bytes_down + item.bytes_up
            self._events.round(item, self._of_rounds, self._bytes_total)

    def _new(self) -> list[RoundRecord]:
        """Return the whole lines that were added since the last look."""
        try:
            with self._ledger.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        found = []
        for line in whole.splitlines():
            try:
                found.append(RoundRecord.model_validate_json(line))
            except ValidationError:
                continue  # A line that the federation itself will refuse, in words.
        return found


def told(event: Event) -> None:
    """Print an event as one line on stderr, with the time since the session began.

    On a terminal the line takes the place of a live one, which the next count brings back.
    """
    clock = paint(f"[{format_duration(event.elapsed_s)}]", "dim", sys.stderr)
    say(f"{in_place()}{clock} {event.text}")
