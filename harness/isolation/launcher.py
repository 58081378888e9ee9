"""The first process of those that load plugin code: holds them back, watches, ends them all.

It is started by `harness.isolation.plugin_process`, in a Python of the standard library only, with
the path of a plan: `command`, `environment`, `policy`, `allowed` and `driver`. What holds is told
as one line of JSON on standard output before any of the command runs. When the command has ended,
or standard input is closed (the kernel does so when whoever started this one is gone), all that is
left of it is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from harness.isolation import confine, own_mounts
from harness.kernel import calls
from harness.kernel.descendants import descendants

END_LIMIT_S = 10.0
"""Longest time that what was killed is waited for."""


def main() -> None:
    """Run the plan whose path is the last argument; exits with the code of its command."""
    plan = json.loads(Path(sys.argv[-1]).read_text("utf-8"))
    held = plan["policy"] != "off" and confine.LINUX
    facts = confine.open_to_all("" if confine.LINUX else f"{sys.platform}: Linux only")
    sockets = own_mounts.named_sockets() if held else []
    if held:
        calls.prctl(calls.PR_SET_CHILD_SUBREAPER, 1)
        facts = confine.leave_network_and_processes(plan["driver"])
        if facts["processes"] == "watched":
            facts["processes"] = "subreaper"
    wake, waker = os.pipe()
    for end in (wake, waker):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.fork()
    if child == 0:
        _first(plan, facts, held, sockets)
    os.close(plan["answer"])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _kill(child, signal.SIGTERM))
    code = _watch(child, wake)
    if held:
        _end_all(child)
    os._exit(code)


def _first(plan: dict[str, Any], facts: dict[str, Any], held: bool, sockets: list[str]) -> None:
    """Become the command, or the first process of a process namespace that runs it.

    Does not return.
    """
    code = 127
    try:
        signal.set_wakeup_fd(-1)
        if confine.LINUX:
            calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
        own = facts["processes"] == "own process namespace"
        if held:
            confine.bound_what_is_taken(own)
        if not own:
            _become(plan, facts, held)
        own_mounts.mount_own(plan["allowed"], sockets, plan["driver"])
        inner = os.fork()
        if inner == 0:
            _become(plan, facts, held)
        os.close(plan["answer"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _kill(inner, signal.SIGTERM))
        while True:
            ended, status = os.wait()
            if ended == inner:
                code = _code(status)
                break
    except BaseException as error:
        sys.stderr.write(f"a process that loads plugins cannot be started: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)


def _become(plan: dict[str, Any], facts: dict[str, Any], held: bool) -> None:
    """Turn this process into the command. Does not return."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        if confine.LINUX:
            calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(plan["folder"])
        null = os.open(os.devnull, os.O_RDONLY)
        if held:
            allowed = [tuple(item) for item in plan["allowed"]]
            confine.give_up_files(allowed, facts, plan["driver"])
        os.write(1, (json.dumps(facts) + "\n").encode())
        if plan["policy"] == "required" and facts["missing"]:
            os._exit(1)
        os.dup2(null, 0)
        os.dup2(2, 1)  # what plugin code prints is no answer
        os.execve(plan["command"][0], plan["command"], plan["environment"])
    except BaseException as error:
        sys.stderr.write(f"a process that loads plugins cannot be started: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(127)


def _watch(child: int, wake: int) -> int:
    """Wait for the end of the command or of standard input; return the exit code."""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 512)
        status = _reap(child)
        if status is not None:
            return _code(status)
        if 0 in ready and not os.read(0, 512):
            _kill(child, signal.SIGKILL)
            return 128 + signal.SIGKILL


def _end_all(child: int) -> None:
    """Kill what is left below this process; whoever lost its parent has this one for it."""
    end = time.monotonic() + END_LIMIT_S
    while time.monotonic() < end:
        for pid in descendants():
            _kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        time.sleep(0.005)


def _reap(child: int) -> int | None:
    """Collect who has ended; return the status of `child` if it was among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if not ended:
                break
            if ended == child:
                found = status
    return found


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
