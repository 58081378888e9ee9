"""The strong form of the sandbox: namespaces of its own, and a read-only view of the files.

The view is a small tree in memory that holds what an interpreter or compiler needs (mounted
read-only) and one empty folder that can be written. Nothing else of the machine's files is there.
"""

from __future__ import annotations

import os
from typing import Any

from . import kernel

BOX = "/box"
"""The program's own folder inside the view."""

DEVICES = ("null", "zero", "full", "random", "urandom")


def enter(root: bool) -> None:
    """Leave the machine's network, processes, mounts and shared memory.

    The caller's children, not the caller, are in the new process namespace.

    Args:
        root: the caller is root; anyone else gets a user namespace first, in which the mounts are
            allowed.
    """
    flags = (
        kernel.CLONE_NEWNET
        | kernel.CLONE_NEWPID
        | kernel.CLONE_NEWNS
        | kernel.CLONE_NEWIPC
        | kernel.CLONE_NEWUTS
    )
    if root:
        kernel.unshare(flags)
        return
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(flags | kernel.CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def build_view(job: dict[str, Any], user: int, group: int) -> list[str]:
    """Make the view at the mount point `job["root"]`, and make it the root of this process.

    Args:
        job: `readable` (real folders and files), `links` (path to target), `folder_bytes`,
            `folder_files`.
        user: who owns the folder.
        group: its group.

    Returns:
        What could not be had, in words.
    """
    root = job["root"]
    missing = []
    kernel.mount("none", "/", "none", kernel.MS_REC | kernel.MS_PRIVATE)
    quiet = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", root, "tmpfs", quiet, "size=4m,mode=755")
    for path in job["readable"]:
        _bind(path, root + path, kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV)
    for path, target in job["links"]:
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        if not os.path.lexists(root + path):
            os.symlink(target, root + path)
    os.mkdir(f"{root}/dev")
    for name in DEVICES:
        # Without the attribute "no devices": they would not open.
        _bind(f"/dev/{name}", f"{root}/dev/{name}", kernel.ATTR_NOSUID | kernel.ATTR_NOEXEC)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"{root}/dev/{name}")
    os.mkdir(f"{root}/proc")
    try:
        kernel.mount("proc", f"{root}/proc", "proc", quiet | kernel.MS_NOEXEC)
    except OSError as error:
        # A container hides parts of its own /proc, and then no whole one may be mounted in it.
        missing.append(f"no /proc inside ({error.strerror}): memory is not watched")
    os.mkdir(root + BOX)
    options = (
        f"size={job['folder_bytes']},nr_inodes={job['folder_files']},mode=700,"
        f"uid={user},gid={group}"
    )
    kernel.mount("tmpfs", root + BOX, "tmpfs", quiet, options)
    only = kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV
    kernel.set_mount_attributes(root, only, recursive=False)
    os.chdir(root)
    kernel.pivot_here()
    return missing


def _bind(path: str, target: str, attributes: int) -> None:
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w"):
            pass
    kernel.mount(path, target, "none", kernel.MS_BIND | kernel.MS_REC)
    kernel.set_mount_attributes(target, attributes, recursive=True)
