"""Landlock: a process gives up files, and signals to others, for good and without any rights.

It is there from Linux 5.13 on. What it does not know (reading an attribute, changing a mode) stays
with the ordinary rights of the user.
"""

from __future__ import annotations

import os
import struct
import sys

from harness.kernel import calls

READ = 0b1101
"""Execute, read a file, list a folder. Source: linux/landlock.h, LANDLOCK_ACCESS_FS_*."""
LIST = 0b1000
"""List a folder."""
WRITE = 0b0100_0000_0000_0010
"""Write an existing file, and cut it short."""
OF_FILES = 0b1100_0000_0000_0111
"""The rights that a rule about a file, not a folder, may give: also write, truncate, ioctl."""
KEEP = 0b0110_0001_1011_1110
"""Read, write, make and remove ordinary files and folders, move them, and truncate; but make no
link, pipe, socket or device, and execute nothing: who reads the folder next must be able to."""
EVERYTHING = (1 << 16) - 1

SCOPES = 0b11
"""No connection to abstract Unix sockets, and no signal, outside of the process and its children.
Source: linux/landlock.h, LANDLOCK_SCOPE_*; from version 6 on."""


def version() -> int:
    """Return the version of Landlock's interface; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    try:
        return calls.syscall("landlock", calls.LANDLOCK_CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


def rights() -> int:
    """Return all rights on files that this kernel can take away.

    Version 1 knows 13 of them; 2 adds moving between folders, 3 truncating, 5 ioctl on devices.
    """
    known = version()
    return (1 << (13 + (known >= 2) + (known >= 3) + (known >= 5))) - 1


def new_rules(scoped: bool = False) -> int:
    """Return a set of rules that allows nothing yet.

    Args:
        scoped: also take away signals to others, where the kernel can (`SCOPES`).

    Raises:
        OSError: the kernel has no Landlock.
    """
    attributes = struct.pack("=Q", rights())
    if scoped and version() >= 6:
        attributes += struct.pack("=QQ", 0, SCOPES)  # no rule on ports
    return calls.syscall("landlock", calls.LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)


def allow(rules: int, path: str, access: int = READ) -> None:
    """Add to `rules` what is allowed below `path`, or nothing where that is not there."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    access &= rights()
    if not os.path.isdir(path):
        access &= OF_FILES
    rule = struct.pack("=Qi", access, place)
    calls.syscall("landlock rule", calls.LANDLOCK_ADD_RULE, rules, 1, rule, 0)
    os.close(place)


def enter(rules: int) -> None:
    """Hold the calling process and its children to `rules`; needs no-new-privileges."""
    calls.syscall("landlock", calls.LANDLOCK_RESTRICT_SELF, rules, 0)
