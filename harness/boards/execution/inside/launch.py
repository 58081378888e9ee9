"""The sandbox's first process: reads one job, builds the sandbox, runs the job's steps in it.

The job is one JSON object on standard input, the result one on standard output. Whatever cannot be
built is an exit code of 1 with one line on standard error, and no step has run: a program is never
run in less than the job asks for.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from typing import Any

from harness.kernel.descendants import descendants

from . import supervise

LINUX = sys.platform == "linux"
if LINUX:
    from harness.kernel import call_filter, calls, landlock

    from . import namespaces, restrictions

OWN_USERS = 1_000_000_000
"""Where user ids begin that no person has. A launcher takes this plus its process id."""
NOBODY = 65534


def main() -> None:
    """Run the job on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    job = json.load(sys.stdin)
    if LINUX:
        # When the harness is killed, its programs end with it.
        calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != job["parent"]:
            return
    try:
        if job["mode"] == "namespaces":
            _with_namespaces(job)
        else:
            _without_namespaces(job)
    except OSError as error:
        # Without "[Errno 1] " before it, which says nothing more.
        sys.stderr.write(re.sub(r"^\[Errno \d+\] ", "", str(error))[:500])
        sys.stderr.flush()
        os._exit(1)


def _with_namespaces(job: dict[str, Any]) -> None:
    root = os.geteuid() == 0
    user, group = (OWN_USERS + os.getpid(),) * 2 if root else (os.geteuid(), os.getegid())
    if not root and calls.linux() < (5, 14):
        # Before, the limit of processes counted all that a user has, outside of a namespace too.
        _allow_for_others(job)
    namespaces.enter(root)
    first = os.fork()
    if first:
        _, status = os.waitpid(first, 0)
        os._exit(os.waitstatus_to_exitcode(status) and 1)
    calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
    missing = namespaces.build_view(job, user, group)
    calls.prctl(calls.PR_SET_DUMPABLE, 0)

    def confine() -> None:
        if root:
            _become_user(user, group)
        calls.prctl(calls.PR_SET_NO_NEW_PRIVS, 1)
        if call_filter.is_known():
            call_filter.enter((*call_filter.HELD_BACK, *call_filter.NO_UNSEEN_MEMORY))

    def end_all(_: int) -> None:
        while supervise.collect(wait=False):
            # From the first process of a namespace this reaches every other one in it at once.
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            supervise.collect(wait=True)

    facts = {
        "network": "own network namespace",
        "files": "own view",
        "processes": "own process namespace",
        "signals": "own process namespace",
        "user": "own user id" if root else "user namespace",
        "memory": "address space only" if missing else "watched",
        "folder": "bounded",
        "missing": missing,
    }
    _run(job, namespaces.BOX, True, confine, end_all, facts)


def _without_namespaces(job: dict[str, Any]) -> None:
    folder = job["folder"]
    root = os.geteuid() == 0
    user = OWN_USERS + os.getpid()
    missing = []
    rules = None
    filtered = False
    if LINUX:
        calls.prctl(calls.PR_SET_CHILD_SUBREAPER, 1)
        calls.prctl(calls.PR_SET_DUMPABLE, 0)
        rules = restrictions.prepare_landlock(job["readable"], folder)
        filtered = call_filter.is_known()
    if root:
        user = _available(user)
        os.chown(folder, user, user)
    if not rules:
        missing.append("no Landlock: a program can read and write what its user can")
    if not filtered:
        missing.append("no filter of calls: a program can open sockets and send signals")
    if not LINUX:
        missing.append(f"{sys.platform}: a program that leaves its process group is not ended")
    me = os.getpid()

    def confine() -> None:
        if root:
            _become_user(user, user)
        if LINUX:
            calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != me:
                os._exit(127)
            calls.prctl(calls.PR_SET_NO_NEW_PRIVS, 1)
            if rules is not None:
                landlock.allow(rules, "/proc/self")
                landlock.enter(rules)
            if filtered:
                restrictions.enter_seccomp(os.getpid())

    def end_all(group: int) -> None:
        _end_descendants(group, user if root else None)

    if not root:
        # The limit counts all that this user has, outside of the sandbox too.
        _allow_for_others(job)
    facts = {
        "network": "no sockets" if filtered else "open",
        "files": "Landlock" if rules else "open",
        "processes": "subreaper" if LINUX else "process group",
        "signals": "no signals" if filtered else "own user id" if root else "open",
        "user": "own user id" if root else "the caller's",
        "memory": "watched" if LINUX else "address space only",
        "folder": "each file bounded",
        "missing": missing,
    }
    _run(job, folder, False, confine, end_all, facts)


def _run(
    job: dict[str, Any],
    folder: str,
    own_processes: bool,
    confine: Any,
    end_all: Any,
    facts: dict[str, Any],
) -> None:
    """Run the steps until one fails, and print the result."""
    environment = job["environment"] | {"HOME": folder, "TMPDIR": folder}
    around = supervise.Surroundings(folder, environment, own_processes, confine, end_all)
    user = os.stat(folder).st_uid
    for name, text in job["files"].items():
        path = f"{folder}/{name}"
        with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
        if user != os.geteuid():
            os.chown(path, user, user)
    results: list[dict[str, Any]] = []
    for step in job["steps"]:
        results.append(supervise.run_step(step, around))
        if results[-1]["end"] != "exited" or results[-1]["exit"] != 0:
            break
    sys.stdout.write(json.dumps({"facts": facts, "steps": results}))
    sys.stdout.flush()
    os._exit(0)


def _become_user(user: int, group: int) -> None:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def _available(user: int) -> int:
    """Return `user`, or nobody where this user namespace does not know so high an id."""
    child = os.fork()
    if child == 0:
        try:
            os.setuid(user)
        except OSError:
            os._exit(1)
        os._exit(0)
    return user if os.waitpid(child, 0)[1] == 0 else NOBODY


def _allow_for_others(job: dict[str, Any]) -> None:
    """Raise the limit of processes by the threads that this user has already."""
    user = os.geteuid()
    count = 0
    for name in os.listdir("/proc") if LINUX else []:
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    for step in job["steps"]:
        step["processes"] += count


def _end_descendants(group: int, user: int | None) -> None:
    """Kill all below this process.

    Args:
        group: the process group of the program.
        user: the user id that only this program has, or None.

    Raises:
        OSError: some are still there after five seconds.
    """
    deadline = time.monotonic() + 5
    while True:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        if user is not None and user != NOBODY:
            # One call as that user reaches all its processes at once, however fast they fork.
            killer = os.fork()
            if killer == 0:
                with contextlib.suppress(OSError):
                    os.setuid(user)
                    os.kill(-1, signal.SIGKILL)
                os._exit(0)
        for pid in descendants():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not supervise.collect(wait=False):
            return
        if time.monotonic() > deadline:
            raise OSError("processes of the program are still running after they were killed")
        time.sleep(0.002)
