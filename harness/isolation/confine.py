"""A process gives up what plugin code does not need. Standard library only: see `bare_python`."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from typing import Any

from harness.isolation.own_mounts import mount_own
from harness.kernel import call_filter, calls, landlock
from harness.kernel.namespaces import loopback_up, own_namespaces

KEPT_RIGHTS = (0, 1, 3, 4, 5)
"""Of root's: to change owners and modes, to pass over modes of files, to signal its own processes.
Source: linux/capability.h."""

OWN_VIEW = calls.CLONE_NEWPID | calls.CLONE_NEWNS | calls.CLONE_NEWIPC
"""Processes of its own, mounts (`harness.isolation.own_mounts`), and shared memory by number."""


ENDED_FIRST = 1000
"""Of memory that nobody's process holds (files in memory) Linux knows no owner, and would end one
process after another; by this, these before all others. Source: proc(5), oom_score_adj."""

FEWEST_TASKS, TASKS_PER_CORE = 4096, 256
"""A run on two cores has 150 processes and threads; Ray and BLAS start some for each core."""


def open_to_all(why: str = "") -> dict[str, Any]:
    """Return what is said of a process that nothing holds."""
    return {
        "files": "open",
        "network": "open",
        "processes": "watched",
        "signals": "open",
        "landlock": 0,
        "missing": [why] if why else [],
    }


def leave_network_and_processes(driver: bool = False) -> dict[str, Any]:
    """Leave the machine's network and its processes, as far as the kernel lets this process.

    The caller's next child is the first process of the new process namespace, where there is one,
    and has to call `mount_own`.

    Args:
        driver: see `give_up_files`.

    Returns:
        Facts for the record, without files.
    """
    facts = open_to_all()
    why = ""
    for flags in (calls.CLONE_NEWNET | OWN_VIEW, calls.CLONE_NEWNET):
        for root in (True, False) if os.geteuid() == 0 else (False,):
            before, why = why, _refused(flags, root, driver)
            if not why:
                own_namespaces(flags, root)
                loopback_up()
                facts["network"] = "own network namespace"
                if flags & calls.CLONE_NEWPID:
                    facts["processes"] = facts["signals"] = "own process namespace"
                else:
                    facts["missing"].append(
                        f"no mounts of its own ({before}): modes of files can be changed, and"
                        " sockets of other programs reached"
                    )
                return facts
    facts["missing"].append(f"no network namespace: {why}")
    return facts


def _refused(flags: int, root: bool, driver: bool) -> str:
    """Say why a process like this one cannot have these namespaces; "" if it can.

    A child tries: what is left cannot be entered again, and a container may allow a process
    namespace and refuse the /proc that belongs to it.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            own_namespaces(flags, root)
            loopback_up()
            grandchild = os.fork() if flags & calls.CLONE_NEWPID else None
            if grandchild == 0:
                mount_own((), (), driver)
                os._exit(0)
            if grandchild and os.waitpid(grandchild, 0)[1]:
                os.write(writer, b"nothing may be mounted")
        except OSError as error:
            os.write(writer, (error.strerror or str(error)).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, "rb") as said:
        return said.read().decode(errors="replace")


def give_up_files(
    allowed: list[tuple[str, int]], facts: dict[str, Any], driver: bool = False
) -> None:
    """Keep this process, for good, to what is allowed; and from signals to any but its own.

    Args:
        allowed: path and rights (`harness.kernel.landlock`), below the path too.
        facts: of `leave_network_and_processes`; completed here.
        driver: there is a GPU whose driver names its threads in /proc/self/task, and does without
            the GPU where it may not (CUDA 13, error 304). Other processes' files there stay
            closed: Landlock lets nobody trace what is not held by the same rules.
    """
    calls.prctl(calls.PR_SET_NO_NEW_PRIVS, 1)
    facts["landlock"] = version = landlock.version()
    if not version:
        facts["missing"].append("no Landlock: files can be read and written")
    else:
        rules = landlock.new_rules(scoped=True)
        for path, access in allowed:
            landlock.allow(rules, path, access)
        if driver:
            landlock.allow(rules, "/proc", landlock.READ | landlock.WRITE)
            if facts["processes"] != "own process namespace" and _settings_open():
                facts["missing"].append(
                    "a GPU, and no /proc of its own: its settings can be written"
                )
        landlock.enter(rules)
        os.close(rules)
        facts["files"] = "Landlock"
        if version < 3:
            facts["missing"].append(f"Landlock {version}: files can be cut short")
        if version >= 6 and facts["signals"] == "open":
            facts["signals"] = "Landlock scope"
    if facts["signals"] == "open":
        facts["missing"].append("neither a process namespace nor Landlock 6: signals can be sent")
    try:
        call_filter.enter(call_filter.HELD_BACK)
    except OSError as error:
        facts["missing"].append(
            f"no filter of calls ({error}): keys can be left in the kernel for another process"
        )
    calls.keep_rights(KEPT_RIGHTS)


def bound_what_is_taken(own_processes: bool) -> None:
    """Let others have memory, disk and processes, whatever this process and its children take.

    They are ended first where memory runs out, leave no dump of theirs, and are bounded in number
    where the kernel counts these alone: in a process namespace from Linux 6.14 on, before that in a
    user namespace.

    Args:
        own_processes: this process is the first of a process namespace.
    """
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(ENDED_FIRST))
    # By 0 a program that collects dumps would still be given one. Source: core(5).
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    most = FEWEST_TASKS + TASKS_PER_CORE * (os.cpu_count() or 1)
    if own_processes and calls.linux() >= (6, 14):
        with suppress(OSError), open("/proc/sys/kernel/pid_max", "w") as file:
            file.write(str(most))
    elif own_processes and os.geteuid():
        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _settings_open() -> bool:
    """Say whether this user may change settings of the machine in /proc."""
    return os.geteuid() == 0 and not os.statvfs("/proc/sys").f_flag & os.ST_RDONLY


LINUX = sys.platform == "linux"
