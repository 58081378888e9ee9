"""Linux system calls that Python's standard library does not wrap."""

from __future__ import annotations

import ctypes
import os
import platform
import re

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

ATTR_RDONLY = 0x1
ATTR_NOSUID = 0x2
ATTR_NODEV = 0x4
ATTR_NOEXEC = 0x8
AT_FDCWD = -100
AT_RECURSIVE = 0x8000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
"""Number of pivot_root. Source: the kernel's syscall tables. The newer calls have one."""
MOUNT_SETATTR = 442
LANDLOCK_CREATE_RULESET = 444
LANDLOCK_ADD_RULE = 445
LANDLOCK_RESTRICT_SELF = 446

CAPABILITY_VERSION = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def linux() -> tuple[int, ...]:
    """Return the kernel's version: (6, 14)."""
    return tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


def syscall(what: str, number: int, *arguments: object) -> int:
    """Call the kernel by number; integers are passed as 64 bits."""
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *values), what)


def prctl(option: int, value: int) -> None:
    """Set one attribute of the calling process."""
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), f"prctl {option}")


def unshare(flags: int) -> None:
    """Give the calling process namespaces of its own."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount, bind or change the propagation of `target`.

    Args:
        source: device, folder or name of the file system.
        target: an existing folder or file.
        kind: type of the file system; empty for a bind.
        flags: `MS_` flags of mount(2).
        options: options of the file system.
    """
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    _checked(result, f"mount {target}")


def set_mount_attributes(target: str, attributes: int, *, recursive: bool, clear: int = 0) -> None:
    """Change a mount, from Linux 5.12 on.

    Args:
        target: where it is mounted.
        attributes: what to add: `ATTR_RDONLY`, `ATTR_NODEV` ...
        recursive: change what is mounted below it too.
        clear: what to take away.
    """

    class Attributes(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]

    value = Attributes(attributes, clear, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    arguments = (AT_FDCWD, target.encode(), flags, ctypes.byref(value), ctypes.sizeof(value))
    syscall(f"mount_setattr {target}", MOUNT_SETATTR, *arguments)


def pivot_here() -> None:
    """Make the working folder, a mount of its own, the root, and let go of the old one.

    Raises:
        OSError: the kernel refuses, or the processor is one whose system calls are not known here.
    """
    number = PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(f"no number of pivot_root known for {platform.machine()}")
    syscall("pivot_root", number, b".", b".")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def keep_rights(kept: tuple[int, ...]) -> None:
    """Give up all capabilities of the calling process but those with the numbers `kept`.

    An ordinary user has none; root's do not come back with no-new-privileges.
    """
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()
    _checked(_libc.capget(header, data), "capget")
    mask = sum(1 << number for number in kept)
    for place in range(6):  # effective, permitted and inheritable ones; then those from 32 on
        data[place] &= mask if place < 3 else 0
    _checked(_libc.capset(header, data), "capset")
