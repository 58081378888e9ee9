"""The weaker form of the sandbox, which needs no rights: Landlock for files, seccomp for sockets.

For machines that allow no namespaces (many containers, Ubuntu from 24.04 on for ordinary users).
"""

from __future__ import annotations

import ctypes
import fcntl
import platform
import struct

from harness.kernel import calls, landlock

_ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41,
            "kill": 62,
            "tkill": 200,
            "tgkill": 234,
            "queue": 129,
            "queue_to_thread": 297,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198,
            "kill": 129,
            "tkill": 130,
            "tgkill": 131,
            "queue": 138,
            "queue_to_thread": 240,
        },
    ),
}
"""The audit number and calls of an architecture. Source: linux/audit.h, the syscall tables."""
_SAME_EVERYWHERE = {"pidfd_send_signal": 424, "io_uring_setup": 425}


def prepare_landlock(readable: list[str], folder: str) -> int | None:
    """Return a set of rules: read `readable`, do all in `folder`, and nothing else.

    None: the kernel has no Landlock.
    """
    if not landlock.version():
        return None
    rules = landlock.new_rules()
    devices = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")]
    allowed = [(path, landlock.READ) for path in readable]
    allowed += [(path, landlock.OF_FILES) for path in devices] + [(folder, landlock.EVERYTHING)]
    for path, access in allowed:
        landlock.allow(rules, path, access)
    # A program's own descriptors are put in the low numbers.
    return fcntl.fcntl(rules, fcntl.F_DUPFD_CLOEXEC, 64)


def seccomp_known() -> bool:
    """Return whether the filter is known for this processor."""
    return platform.machine() in _ARCHITECTURES


def enter_seccomp(own: int) -> None:
    """Refuse sockets, and signals to any process but `own`; needs no-new-privileges.

    A program's abort() signals its own process, so that is allowed.
    """
    audit, numbers = _ARCHITECTURES[platform.machine()]
    refuse = 0x0005_0000 | 1  # SECCOMP_RET_ERRNO, EPERM
    kill, allow = 0x8000_0000, 0x7FFF_0000
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    # Offsets into struct seccomp_data: the number at 0, the architecture at 4, arguments from 16.
    program = [(load, 0, 0, 4), (equal, 1, 0, audit), (give, 0, 0, kill), (load, 0, 0, 0)]
    # The x32 calls of x86_64 would go round the numbers below.
    program += [(at_least, 0, 1, 0x4000_0000), (give, 0, 0, refuse)]
    never = [numbers[name] for name in ("socket", "queue", "queue_to_thread", "tkill")]
    never += [_SAME_EVERYWHERE["pidfd_send_signal"], _SAME_EVERYWHERE["io_uring_setup"]]
    for number in never:
        program += [(equal, 0, 1, number), (give, 0, 0, refuse)]
    for number in (numbers["kill"], numbers["tgkill"]):
        program += [
            (equal, 0, 4, number),
            (load, 0, 0, 16),
            (equal, 0, 1, own),
            (give, 0, 0, allow),
            (give, 0, 0, refuse),
        ]
    program.append((give, 0, 0, allow))
    code = b"".join(struct.pack("=HBBI", *one) for one in program)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    whole = Program(len(program), ctypes.addressof(buffer))
    calls.prctl(calls.PR_SET_SECCOMP, 2, ctypes.byref(whole))
