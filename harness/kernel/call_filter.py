"""A filter of system calls (seccomp): what a process and its children may not ask the kernel for.

It is for what neither Landlock nor a namespace takes away: keys that the kernel keeps when all
processes are gone, sockets of families that belong to no network, rights that were given up.
"""

from __future__ import annotations

import ctypes
import platform
import struct

from harness.kernel import calls

Instruction = tuple[int, int, int, int]
"""Code, steps over where it holds and where not, value. Source: linux/filter.h."""
Rule = tuple[str, tuple[Instruction, ...]]
"""Name of a call, and what judges it; the last instruction decides."""

_ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        {
            "shmget": 29, "socket": 41, "clone": 56, "kill": 62, "queue": 129, "mount": 165,
            "tkill": 200, "tgkill": 234, "add_key": 248, "request_key": 249, "keyctl": 250,
            "unshare": 272, "queue_to_thread": 297, "perf_event_open": 298, "seccomp": 317,
            "memfd_create": 319, "bpf": 321, "userfaultfd": 323,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "mount": 40, "unshare": 97, "kill": 129, "tkill": 130, "tgkill": 131, "queue": 138,
            "shmget": 194, "socket": 198, "add_key": 217, "request_key": 218, "keyctl": 219,
            "clone": 220, "queue_to_thread": 240, "perf_event_open": 241, "seccomp": 277,
            "memfd_create": 279, "bpf": 280, "userfaultfd": 282,
        },
    ),
}  # fmt: skip
"""The audit number and calls of an architecture. Source: linux/audit.h, the syscall tables."""
_SAME_EVERYWHERE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "fsmount": 432, "clone3": 435,
    "memfd_secret": 447,
}  # fmt: skip

LOAD, EQUAL, AT_LEAST, ANY_OF, GIVE = 0x20, 0x15, 0x35, 0x45, 0x06
REFUSE, UNKNOWN = 0x0005_0000 | 1, 0x0005_0000 | 38
"""SECCOMP_RET_ERRNO with EPERM, and with ENOSYS."""
KILL, ALLOW = 0x8000_0000, 0x7FFF_0000
SET_FILTER, AS_FAST = 1, 4
"""SECCOMP_SET_MODE_FILTER; SECCOMP_FILTER_FLAG_SPEC_ALLOW, without which kernels before 5.16 slow
the process down (Linux 4.17 on)."""
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets into struct seccomp_data; each argument has 8 bytes, of which the lower 4 are looked at.
Source: linux/seccomp.h."""


def is_known() -> bool:
    """Return whether the numbers of the calls are known for this processor."""
    return platform.machine() in _ARCHITECTURES


def never(*calls: str) -> tuple[Rule, ...]:
    """Return the rules that calls are refused."""
    return tuple((call, ((GIVE, 0, 0, REFUSE),)) for call in calls)


def only(call: str, argument: int, *values: int) -> Rule:
    """Return the rule that a call is refused but with some values of an argument."""
    judged = [(LOAD, 0, 0, ARGUMENTS + 8 * argument)]
    for value in sorted(values):
        judged += [(EQUAL, 0, 1, value), (GIVE, 0, 0, ALLOW)]
    return call, (*judged, (GIVE, 0, 0, REFUSE))


def without(call: str, argument: int, flags: int) -> Rule:
    """Return the rule that a call is refused with any of some flags in an argument."""
    judged = ((LOAD, 0, 0, ARGUMENTS + 8 * argument), (ANY_OF, 0, 1, flags))
    return call, (*judged, (GIVE, 0, 0, REFUSE), (GIVE, 0, 0, ALLOW))


NO_KEYS = never("add_key", "request_key", "keyctl")
"""Keyrings outlive the processes that fill them, and those of a user are everybody's who is him."""

FAMILIES = only("socket", 0, 1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Of those that are left out, AF_VSOCK leads from a virtual
machine to whoever runs it, out of any network namespace. Source: linux/socket.h, vsock(7)."""

NAMESPACES = 0x7E02_0000
"""Every CLONE_NEW... flag that clone(2) takes. Source: linux/sched.h."""

NO_DETOURS: tuple[Rule, ...] = (
    *never("io_uring_setup", "unshare", "bpf", "perf_event_open", "userfaultfd"),
    without("clone", 0, NAMESPACES),
    ("clone3", ((GIVE, 0, 0, UNKNOWN),)),
)
"""A ring does what no filter of calls sees, a socket of any family too; a user namespace gives
every right in it, and leads with the others to most of what was ever wrong in the kernel.
The flags of clone3 lie in memory, where no filter looks; libraries that it is unknown to use clone.
Source: the calls that container runtimes refuse, moby's `profiles/seccomp`."""

HELD_BACK = (*NO_KEYS, *NO_DETOURS, FAMILIES)
"""What nobody's code needs that is held back."""

NO_UNSEEN_MEMORY = never("memfd_create", "memfd_secret", "shmget", "mount", "fsmount")
"""Memory that is no process's resident memory, where a program's is watched: files without a name,
shared memory by number, and file systems in memory."""


def enter(rules: tuple[Rule, ...]) -> None:
    """Hold the calling process and its children to `rules`; needs no-new-privileges.

    Raises:
        OSError: the kernel has no filters, or the numbers of this processor's calls are not known.
    """
    if not is_known():
        raise OSError(f"no numbers of calls known for {platform.machine()}")
    audit, numbers = _ARCHITECTURES[platform.machine()]
    numbers = numbers | _SAME_EVERYWHERE
    program = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, audit), (GIVE, 0, 0, KILL)]
    # The x32 calls of x86_64 would go round the numbers below.
    program += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, 0x4000_0000), (GIVE, 0, 0, REFUSE)]
    for name, judged in rules:
        program += [(EQUAL, 0, len(judged), numbers[name]), *judged]
    program.append((GIVE, 0, 0, ALLOW))
    code = b"".join(struct.pack("=HBBI", *one) for one in program)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    whole = Program(len(program), ctypes.addressof(buffer))
    calls.syscall("seccomp", numbers["seccomp"], SET_FILTER, AS_FAST, ctypes.byref(whole))
