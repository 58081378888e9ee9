"""The strong form of the sandbox: namespaces of its own, and a read-only view of the files.

The view is a small tree in memory that holds what an interpreter or compiler needs (mounted
read-only) and one empty folder that can be written. Nothing else of the machine's files is there.
"""

from __future__ import annotations

import os
from typing import Any

from harness.kernel import calls
from harness.kernel.namespaces import own_namespaces

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
        calls.CLONE_NEWNET
        | calls.CLONE_NEWPID
        | calls.CLONE_NEWNS
        | calls.CLONE_NEWIPC
        | calls.CLONE_NEWUTS
    )
    own_namespaces(flags, root)


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
    calls.mount("none", "/", "none", calls.MS_REC | calls.MS_PRIVATE)
    quiet = calls.MS_NOSUID | calls.MS_NODEV
    calls.mount("tmpfs", root, "tmpfs", quiet, "size=4m,mode=755")
    for path in job["readable"]:
        _bind(path, root + path, calls.ATTR_RDONLY | calls.ATTR_NOSUID | calls.ATTR_NODEV)
    for path, target in job["links"]:
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        if not os.path.lexists(root + path):
            os.symlink(target, root + path)
    os.mkdir(f"{root}/dev")
    for name in DEVICES:
        # Without the attribute "no devices": they would not open.
        _bind(f"/dev/{name}", f"{root}/dev/{name}", calls.ATTR_NOSUID | calls.ATTR_NOEXEC)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"{root}/dev/{name}")
    os.mkdir(f"{root}/proc")
    try:
        calls.mount("proc", f"{root}/proc", "proc", quiet | calls.MS_NOEXEC)
    except OSError as error:
        # A container hides parts of its own /proc, and then no whole one may be mounted in it.
        missing.append(f"no /proc inside ({error.strerror}): memory is not watched")
    os.mkdir(root + BOX)
    options = (
        f"size={job['folder_bytes']},nr_inodes={job['folder_files']},mode=700,"
        f"uid={user},gid={group}"
    )
    calls.mount("tmpfs", root + BOX, "tmpfs", quiet, options)
    only = calls.ATTR_RDONLY | calls.ATTR_NOSUID | calls.ATTR_NODEV
    calls.set_mount_attributes(root, only, recursive=False)
    os.chdir(root)
    calls.pivot_here()
    return missing


def _bind(path: str, target: str, attributes: int) -> None:
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w"):
            pass
    calls.mount(path, target, "none", calls.MS_BIND | calls.MS_REC)
    calls.set_mount_attributes(target, attributes, recursive=True)
