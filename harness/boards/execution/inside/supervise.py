"""One program's processes: started, bounded, watched, and ended to the last one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .load import Load

KEPT_BYTES = 8192
"""How much of a program's standard error is kept for the reason of its verdict."""


@dataclass(frozen=True)
class Surroundings:
    """What holds for all steps of one program."""

    folder: str
    environment: dict[str, str]
    own_processes: bool
    """The caller is the first process of a process namespace."""
    confine: Callable[[], None]
    """Called in the program's process last before it becomes the program: drops all rights."""
    end_all: Callable[[int], None]
    """Kills everything that the process given has started, in a session of its own or not."""


@dataclass
class _Stream:
    """A pipe from the program: counted to the last byte, of which the first are kept."""

    reader: int
    limit: int
    count: int = 0
    kept: bytearray = field(default_factory=bytearray)

    def drain(self) -> bool:
        """Read what is there; return whether more may come."""
        while True:
            try:
                data = os.read(self.reader, 65536)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self.count += len(data)
            self.kept += data[: max(0, KEPT_BYTES - len(self.kept))]
            if self.count > self.limit:
                return False


def run_step(step: dict[str, Any], around: Surroundings) -> dict[str, Any]:
    """Run one command to its end, whatever it starts.

    Args:
        step: `command`, `stdin` (a text or None), `nonce` (a text that the command's verdict on
            descriptor 3 must begin with, or None), `wall_s`, `patience_s` (how much of the time
            in which no processor was free is not counted), `memory_bytes`,
            `address_space_bytes` (or None), `output_bytes` of each stream, `file_bytes`,
            `processes`.
        around: what holds for all steps.

    Returns:
        `end` (exited, timed out, output, memory), `exit` (the code, negative for a signal), `said`
        (the verdict on descriptor 3, or None), `wall_s`, `waited_s` (how much of it the processes
        stood ready and had no processor), `cpu_s`, `stderr` (its first bytes).

    Raises:
        OSError: the command could not be started under its limits.
    """
    streams = []
    writers = []
    for limit in (step["output_bytes"], step["output_bytes"], KEPT_BYTES):
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        streams.append(_Stream(reader, limit))
        writers.append(writer)
    source = _standard_input(step["stdin"], around.folder)
    trouble, tell = os.pipe()
    spent = _cpu_of_children()
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _become(step, around, [source, *writers], tell)
    for descriptor in (source, tell, *writers):
        os.close(descriptor)
    if problem := _read_all(trouble):
        raise OSError(problem)
    load = Load(around.own_processes)
    end, status = _watch(pid, step, streams, load, begin)
    wall_s = time.monotonic() - begin
    around.end_all(pid)
    if status is None:
        status = _left.pop(pid, None)
    _left.clear()
    for one in streams:
        one.drain()
        os.close(one.reader)
    if end == "exited" and max(streams[0].count, streams[1].count) > step["output_bytes"]:
        end = "output"
    return {
        "end": end,
        "exit": os.waitstatus_to_exitcode(status) if status is not None else -9,
        "said": _said(bytes(streams[2].kept), step["nonce"]),
        "wall_s": round(wall_s, 4),
        "waited_s": round(min(load.waited_s, wall_s), 4),
        "cpu_s": round(_cpu_of_children() - spent, 4),
        "stderr": bytes(streams[1].kept).decode("utf-8", "replace"),
    }


def _standard_input(text: str | None, folder: str) -> int:
    """Return a descriptor to read `text` from; its file has no name any more."""
    if text is None:
        return os.open("/dev/null", os.O_RDONLY)
    path = f"{folder}/input"
    with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(text)
    source = os.open(path, os.O_RDONLY)
    os.unlink(path)
    return source


def _become(step: dict[str, Any], around: Surroundings, files: list[int], tell: int) -> None:
    """Turn this forked process into the program. Does not return."""
    try:
        os.setsid()
        # Beyond the descriptors that they become, so that none is overwritten before its turn.
        high = [_beyond(one) for one in files]
        tell = _beyond(tell)
        for number, one in enumerate(high if step["nonce"] else high[:3]):
            os.dup2(one, number, inheritable=True)
        for name in ("SIGPIPE", "SIGXFSZ", "SIGINT"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.chdir(around.folder)
        _limit(step)
        around.confine()
        os.execve(step["command"][0], step["command"], around.environment)
    except BaseException as error:
        os.write(tell, f"{step['command'][0]}: {error}".encode())
    finally:
        os._exit(127)


def _beyond(descriptor: int) -> int:
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 64)


def _limit(step: dict[str, Any]) -> None:
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": step["file_bytes"],
        "RLIMIT_NOFILE": 256,
        "RLIMIT_NPROC": step["processes"],
        "RLIMIT_CPU": int(step["wall_s"] * 4) + 2,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_AS": step["address_space_bytes"],
    }
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is None or value is None:
            continue
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        # macOS knows some of these and refuses to set them.
        refused = (ValueError, OSError) if sys.platform == "darwin" else ()
        with contextlib.suppress(*refused):
            resource.setrlimit(number, (value, value))
    # The stack's size decides how deep a recursion may go: the same everywhere.
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    if hard == resource.RLIM_INFINITY or hard >= 8 * 2**20:
        resource.setrlimit(resource.RLIMIT_STACK, (8 * 2**20, hard))


def _not_counted(step: dict[str, Any], load: Load) -> float:
    """Return how much waiting is not counted, in seconds.

    None once the program had a processor for the whole of its time: many processes that wait for
    each other's processor have only themselves to blame.
    """
    waited_s = min(load.waited_s, step["patience_s"])
    return waited_s if load.ran_s < step["wall_s"] else 0.0


def _watch(
    pid: int, step: dict[str, Any], streams: list[_Stream], load: Load, begin: float
) -> tuple[str, int | None]:
    """Wait for the end of `pid` or for the first limit that it breaks."""
    poll = select.poll()
    open_streams = {one.reader: one for one in streams}
    for reader in open_streams:
        poll.register(reader, select.POLLIN)
    handle = None
    with contextlib.suppress(AttributeError, OSError):
        handle = os.pidfd_open(pid)
        poll.register(handle, select.POLLIN)
    # Where no event tells of the end, it is asked for.
    pause = load.interval_s if handle is not None else 0.01
    looked = time.monotonic()
    try:
        while True:
            now = time.monotonic()
            left = begin + step["wall_s"] + _not_counted(step, load) - now
            if left <= 0:
                # This process may itself have waited for a processor, and know old times only.
                load.look()
                if begin + step["wall_s"] + _not_counted(step, load) > now:
                    continue
                status = _reap(pid)
                return ("timed out", None) if status is None else ("exited", status)
            for number, _ in poll.poll(1000 * min(pause, left)):
                if number == handle:
                    # Ended, but not collected: its times can still be read.
                    load.look()
                one = open_streams.get(number)
                if one is not None and not one.drain():
                    poll.unregister(number)
                    del open_streams[number]
                    if one.count > one.limit:
                        return "output", None
            if step["nonce"] and b"\n" in streams[2].kept[len(step["nonce"]) + 1 :]:
                return "exited", None
            if (status := _reap(pid)) is not None:
                return "exited", status
            if time.monotonic() - looked >= load.interval_s:
                load.look()
                if load.memory_bytes > step["memory_bytes"]:
                    return "memory", None
                looked = time.monotonic()
    finally:
        if handle is not None:
            os.close(handle)


_left: dict[int, int] = {}
"""Status of the program's first process where it was collected while everything was ended."""


def _reap(pid: int) -> int | None:
    """Collect who has ended; return the status of `pid` if it was among them."""
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if ended == 0:
            return None
        if ended == pid:
            return status


def collect(wait: bool) -> bool:
    """Collect ended children and keep their status; return whether any child is left.

    Args:
        wait: wait for the first one.
    """
    try:
        while True:
            ended, status = os.waitpid(-1, 0 if wait else os.WNOHANG)
            if ended == 0:
                return True
            _left[ended] = status
    except ChildProcessError:
        return False


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _said(text: bytes, nonce: str | None) -> str | None:
    """Return the verdict in `text`, if it begins with the nonce and is whole."""
    if not nonce or not text.startswith(nonce.encode() + b" ") or b"\n" not in text:
        return None
    return text[len(nonce) + 1 : text.index(b"\n")].decode("utf-8", "replace")


def _read_all(reader: int) -> str:
    """Return what comes until all writers have closed, and close the reader."""
    parts = []
    while data := os.read(reader, 4096):
        parts.append(data)
    os.close(reader)
    return b"".join(parts).decode(errors="replace")
