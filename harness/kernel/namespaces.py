"""Namespaces of its own for a process: other networks, processes or mounts than the machine's."""

from __future__ import annotations

import fcntl
import os
import struct

from harness.kernel import calls

SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1
"""Source: linux/sockios.h, linux/if.h."""


def own_namespaces(flags: int, root: bool) -> None:
    """Give the calling process namespaces of its own.

    Args:
        flags: which ones, `CLONE_NEW...` of `harness.kernel.calls`.
        root: the caller is root; anyone else gets a user namespace first, in which the others are
            allowed, and in which it has its own user and group and no others.

    Raises:
        OSError: the kernel, or whoever keeps it, refuses.
    """
    if root:
        calls.unshare(flags)
        return
    user, group = os.geteuid(), os.getegid()
    calls.unshare(flags | calls.CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def loopback_up() -> None:
    """Let the processes of a new network namespace reach each other on 127.0.0.1.

    Raises:
        OSError: the caller may not.
    """
    import socket  # not wanted where programs are started by the hundred

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
