"""A filter of system calls (seccomp): what a process and its children may not ask the kernel for.

It is for what neither Landlock nor a namespace takes away: keys that the kernel keeps when all
processes are gone, sockets of families that belong to no network.
"""

from __future__ import annotations

import ctypes
import platform
import struct

from harness.kernel import calls

Rule = tuple[str, int | None, frozenset[int]]
"""Name of a call; the argument by which it is judged, None for a call that is always refused; the
values of that argument with which it is allowed."""

_ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        {
            "shmget": 29, "socket": 41, "kill": 62, "queue": 129, "mount": 165, "tkill": 200,
            "tgkill": 234, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272,
            "queue_to_thread": 297, "seccomp": 317, "memfd_create": 319,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "mount": 40, "unshare": 97, "kill": 129, "tkill": 130, "tgkill": 131, "queue": 138,
            "shmget": 194, "socket": 198, "add_key": 217, "request_key": 218, "keyctl": 219,
            "queue_to_thread": 240, "seccomp": 277, "memfd_create": 279,
        },
    ),
}  # fmt: skip
"""The audit number and calls of an architecture. Source: linux/audit.h, the syscall tables."""
_SAME_EVERYWHERE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "fsmount": 432, "memfd_secret": 447,
}  # fmt: skip

NEVER: frozenset[int] = frozenset()

NO_KEYS: tuple[Rule, ...] = tuple(
    (name, None, NEVER) for name in ("add_key", "request_key", "keyctl")
)
"""Keyrings outlive the processes that fill them, and those of a user are everybody's who is him."""

LOAD, EQUAL, AT_LEAST, GIVE = 0x20, 0x15, 0x35, 0x06
REFUSE = 0x0005_0000 | 1
"""SECCOMP_RET_ERRNO, EPERM."""
KILL, ALLOW = 0x8000_0000, 0x7FFF_0000
SET_FILTER, AS_FAST = 1, 4
"""SECCOMP_SET_MODE_FILTER; SECCOMP_FILTER_FLAG_SPEC_ALLOW, without which kernels before 5.16 slow
the process down (Linux 4.17 on)."""
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets into struct seccomp_data; each argument has 8 bytes, of which the lower 4 are looked at.
Source: linux/seccomp.h."""


NO_UNSEEN_MEMORY: tuple[Rule, ...] = tuple(
    (name, None, NEVER)
    for name in ("memfd_create", "memfd_secret", "shmget", "mount", "fsmount", "unshare")
)
"""Memory that is no process's resident memory, where a program's is watched: files without a name,
shared memory by number, and file systems in memory, for which it would take a user namespace."""


def is_known() -> bool:
    """Return whether the numbers of the calls are known for this processor."""
    return platform.machine() in _ARCHITECTURES


def only(call: str, argument: int, *values: int) -> Rule:
    """Return the rule that a call is refused but with some values of an argument."""
    return call, argument, frozenset(values)


FAMILIES = only("socket", 0, 1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Of those that are left out, AF_VSOCK leads from a virtual
machine to whoever runs it, out of any network namespace. Source: linux/socket.h, vsock(7)."""


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
    for name, argument, allowed in rules:
        judged = [] if argument is None else [(LOAD, 0, 0, ARGUMENTS + 8 * argument)]
        for value in sorted(allowed):
            judged += [(EQUAL, 0, 1, value), (GIVE, 0, 0, ALLOW)]
        judged.append((GIVE, 0, 0, REFUSE))
        program += [(EQUAL, 0, len(judged), numbers[name]), *judged]
    program.append((GIVE, 0, 0, ALLOW))
    code = b"".join(struct.pack("=HBBI", *one) for one in program)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    whole = Program(len(program), ctypes.addressof(buffer))
    calls.syscall("seccomp", numbers["seccomp"], SET_FILTER, AS_FAST, ctypes.byref(whole))
