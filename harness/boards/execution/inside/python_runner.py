"""Runs one Python program as the leaderboard's scorer does, inside the sandbox.

Its text is given to `python -c`. Standard input holds one JSON object (`nonce`, `program`,
`wall_s`, `patience_s`, `output_characters`); the verdict goes to descriptor 3 after the nonce.

The nonce keeps a program from passing by its exit code or by what it prints or writes anywhere. It
is in this process's memory, so a program written against this very file could find it; as could one
whose results compare equal to everything. No test that shares a process with what it tests can
exclude that.
"""

import builtins
import faulthandler
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

REMOVED = {
    os: """chdir chmod chown chroot fchdir fchmod fchown fork forkpty getcwd kill killpg lchflags
        lchmod lchown putenv remove removedirs rename renames replace rmdir setuid system truncate
        unlink""",
    shutil: "chown move rmtree",
    subprocess: "Popen",
    builtins: "exit help quit",
}
"""Functions that a program finds as None. Source: bigcode-evaluation-harness
custom_metrics/execute.py, reliability_guard."""
ABSENT = "ipdb joblib psutil resource tkinter"
"""Modules whose import fails. Source: the same function."""


class TimeIsUpError(Exception):
    """The wall clock has run out. An Exception as in the scorer, so a program can swallow it."""


class Sink(io.StringIO):
    """Standard output and error: written text is counted and thrown away; reading is an error."""

    left = 0

    def write(self, text: str) -> int:
        """Count the characters of `text` and forget them.

        Raises:
            TypeError: it is no text, as a real stream would say.
            TooMuch: the program has printed more than is allowed.
        """
        if not isinstance(text, str):
            raise TypeError(f"string argument expected, got {type(text).__name__!r}")
        Sink.left -= len(text)
        if Sink.left < 0:
            raise TooMuch
        return len(text)

    def read(self, *_: Any) -> Any:
        """Refuse, since nothing can be read here.

        Raises:
            OSError: always.
        """
        raise OSError

    readline = read
    readlines = read

    def readable(self) -> bool:
        """Return False, as a stream for writing does."""
        return False


class TooMuch(BaseException):
    """The program has printed more than is allowed."""


def reason_of(error: BaseException) -> str:
    """Return the kind of `error`, and for a missing module its name: the same in every run."""
    name = type(error).__name__
    module = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and isinstance(module, str):
        return f"{name}: {module}"
    return str(name)


def waiting_time() -> Callable[[], float]:
    """Return a function that tells how long this process has waited for a processor, in seconds."""
    read, nothing = os.pread, 0.0
    try:
        source = os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return lambda: nothing

    def seconds() -> float:
        try:
            return int(read(source, 256, 0).split()[1]) / 1e9
        except (OSError, IndexError):
            return nothing

    return seconds


def run() -> None:
    """Read the job, run its program, write the verdict."""
    job = json.loads(sys.stdin.buffer.read())
    write = os.write
    quick_exit = os._exit
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    faulthandler.disable()
    os.environ["OMP_NUM_THREADS"] = "1"
    for module, names in REMOVED.items():
        for name in names.split():
            setattr(module, name, None)
    for name in ABSENT.split():
        sys.modules[name] = None  # type: ignore[assignment]
    Sink.left = job["output_characters"]
    sys.stdin = sys.stdout = sys.stderr = Sink()
    alarm, clock = signal.setitimer, time.monotonic
    waiting = waiting_time()
    begin, waited = clock(), waiting()

    def ring(*_: object) -> None:
        unfair_s = min(waiting() - waited, job["patience_s"])
        left_s = begin + job["wall_s"] + unfair_s - clock()
        # An alarm never comes early by more than the clock's grain.
        if left_s < 0.001:
            raise TimeIsUpError
        alarm(signal.ITIMER_REAL, left_s)

    signal.signal(signal.SIGALRM, ring)
    try:
        try:
            alarm(signal.ITIMER_REAL, job["wall_s"])
            exec(job["program"], {})
        finally:
            alarm(signal.ITIMER_REAL, 0)
        # A program can swallow TooMuch, but not that it has printed too much.
        said = "passed" if Sink.left >= 0 else "failed: printed too much"
    except TimeIsUpError:
        said = "timed out"
    except TooMuch:
        said = "failed: printed too much"
    except BaseException as error:
        said = f"failed: {reason_of(error)[:200]}"
    # No function of a module that the program could have put another in the place of.
    write(3, f"{job['nonce']} {said}\n".encode("utf-8", "replace"))
    quick_exit(0)


run()
