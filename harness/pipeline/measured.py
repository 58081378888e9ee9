"""What a stage of a run takes, kept on the disk as it grows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness import run_directory
from harness.errors import RecordError
from harness.federation.storage.ledger import Ledger
from harness.machine.energy.meter import EnergyMeter, counters
from harness.record.result import FEDERATE

KEEP_S = 5.0
"""Seconds between two times that it is kept: what a session that is killed loses of it at most."""

REFUSED = (OSError, RecordError)
"""What the disk's refusal is raised as."""

ELSEWHERE = "clients ran on other machines too, whose energy is not counted"


@contextmanager
def measured(out: Path, name: str, device: str, elsewhere: bool = False) -> Iterator[None]:
    """Measure a stage's seconds and joules, also when it fails or its process is killed.

    Args:
        out: the run directory, whose `timing.json` and `energy.json` they are added to.
        name: of the stage.
        device: `cpu` or `cuda`.
        elsewhere: whether a part of it runs on machines that are not this one.

    Raises:
        RecordError: the disk refused them, or what lies there is unreadable. Of a stage that fails
            its own error is the one that is raised.
    """
    times, energy = run_directory.read_timing(out), run_directory.read_energy(out)
    if name == FEDERATE:
        # A session that was killed may have written a round after it had kept its time.
        rounds_s = sum(item.duration_s for item in Ledger(out).rounds)
        times[name] = max(times.get(name, 0.0), rounds_s)
    begin, ended = time.monotonic(), threading.Event()
    meter = EnergyMeter(counters(device))

    def keep() -> None:
        if not out.is_dir():  # deleted or moved: it would come back with nothing else in it
            return
        notes = [*meter.notes, *([ELSEWHERE] if elsewhere else [])]
        run_directory.keep_energy(out, energy, meter.drawn, notes)
        run_directory.keep_time(out, times, name, time.monotonic() - begin)

    def keep_often() -> None:
        while not ended.wait(KEEP_S):
            with suppress(*REFUSED):  # the last time says so
                keep()

    keeper = threading.Thread(target=keep_often, name="measured", daemon=True)
    unsaid: tuple[type[Exception], ...] = ()
    try:
        with meter:
            keeper.start()
            yield
    except BaseException:
        unsaid = REFUSED  # a full disk stops the stage first, and there it is said what for
        raise
    finally:
        ended.set()
        keeper.join()
        with suppress(*unsaid):
            keep()
