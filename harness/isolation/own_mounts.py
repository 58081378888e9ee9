"""What a process sees of files where it has mounts of its own. Standard library only.

Landlock says what may be opened. Whoever may by the ordinary rights still changes owners, modes and
times, and connects to the sockets of other programs: a container engine's or a desktop's starts
programs for whoever asks, outside of everything that holds the process back.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from harness.kernel import calls
from harness.kernel.landlock import WRITE

SETTINGS = ("sys", "sysrq-trigger", "irq", "bus", "fs")
"""What of /proc changes the machine. Source: proc(5); container runtimes keep the same from change.
"""

RUNNING = ("/run", "/var/run", "/tmp", "/var/tmp")
"""Where programs that run keep their sockets, terminals and agents in /tmp, and containers their
secrets. Source: hier(7)."""

SHARED_MEMORY = "/dev/shm"

QUIET = calls.MS_NOSUID | calls.MS_NODEV


def named_sockets() -> list[str]:
    """Return the paths of sockets on which other programs may listen.

    They are listed by network namespace: a process that has left its own sees none of them.
    """
    found = set()
    with suppress(OSError), open("/proc/self/net/unix", errors="surrogateescape") as file:
        # `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/dbus/system_bus_socket`
        rows = [line.rstrip("\n").split(maxsplit=7) for line in file]
        found = {row[7] for row in rows if len(row) == 8 and row[7].startswith("/")}
    return sorted(found)


def mount_own(
    allowed: Sequence[tuple[str, int]], sockets: Sequence[str], driver: bool = False
) -> None:
    """Change the mounts of this process's own mount and process namespaces.

    Nothing can be changed but what is allowed to be, shared memory is empty and ends with the
    process, none of the sockets leads to anybody, nor does one that a program makes later where
    programs keep theirs, and /proc shows this process namespace.

    Args:
        allowed: path and rights (`harness.kernel.landlock`).
        sockets: of `named_sockets`.
        driver: a GPU's driver will write to /proc; its settings of the machine are kept from that.

    Raises:
        OSError: the kernel refuses.
    """
    calls.mount("none", "/", "none", calls.MS_REC | calls.MS_PRIVATE)
    with _old_kernels_pass():
        _keep_from_change(allowed)
    paths = {path for path, _ in allowed}
    _mount_empty(SHARED_MEMORY, paths, "mode=1777")
    for folder in sorted({os.path.realpath(path) for path in RUNNING} - paths):
        _mount_empty(folder, paths, "mode=755")
        with _old_kernels_pass():
            calls.set_mount_attributes(folder, calls.ATTR_RDONLY, recursive=False)
    for path in sockets:
        if _is_socket(path):
            calls.mount(os.devnull, path, "none", calls.MS_BIND)
    _mount_proc(driver)


@contextmanager
def _old_kernels_pass() -> Iterator[None]:
    """Let pass that a kernel cannot change a mount: it has no Landlock either, which is told."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise


def _keep_from_change(allowed: Iterable[tuple[str, int]]) -> None:
    """Make all mounts read-only but for what may be written."""
    writable = [path for path, access in allowed if access & WRITE and _can_be_written(path)]
    calls.set_mount_attributes("/", calls.ATTR_RDONLY, recursive=True)
    for path in writable:
        calls.mount(path, path, "none", calls.MS_BIND | calls.MS_REC)
        calls.set_mount_attributes(path, 0, recursive=True, clear=calls.ATTR_RDONLY)


def _mount_empty(folder: str, allowed: Iterable[str], options: str) -> None:
    """Cover a folder, where there is one, but for what is allowed in it and the links in it.

    A run or a model may lie there, the machine's list of name servers does often, and a link leads
    to nothing that is not allowed anyway.

    Args:
        folder: a real path.
        allowed: real paths, and names of them by links, which are given what these lead to.
        options: of the empty file system that covers it.
    """
    if not os.path.isdir(folder):
        return
    below = [path for path in allowed if path.startswith(f"{folder}/") and os.path.exists(path)]
    below.sort(key=lambda path: os.path.realpath(path) != path)
    real = {path for path in below if os.path.realpath(path) == path}
    places = {path: os.open(path, os.O_PATH) for path in below}
    with os.scandir(folder) as entries:
        links = {entry.path: os.readlink(entry.path) for entry in entries if entry.is_symlink()}
    calls.mount("tmpfs", folder, "tmpfs", QUIET, options)
    for path, target in links.items():
        os.symlink(target, path)
    for path, place in places.items():
        if path in real or not os.path.exists(path):
            source = f"/proc/self/fd/{place}"
            is_folder = os.path.isdir(source)
            os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
            if not is_folder:
                os.close(os.open(path, os.O_CREAT))
            calls.mount(source, path, "none", calls.MS_BIND | calls.MS_REC)
        os.close(place)


def _can_be_written(path: str) -> bool:
    """Say whether it is a file or folder of a disk that can be written: devices can in any case."""
    kind = os.path.isdir(path) or os.path.isfile(path)
    special = path.startswith(("/dev/", "/proc/", "/sys/"))
    special = special and not path.startswith(f"{SHARED_MEMORY}/")
    return kind and not special and not os.statvfs(path).f_flag & os.ST_RDONLY


def _is_socket(path: str) -> bool:
    with suppress(OSError):
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    return False


def _mount_proc(driver: bool) -> None:
    calls.mount("proc", "/proc", "proc", QUIET | calls.MS_NOEXEC)
    for path in (f"/proc/{name}" for name in SETTINGS if driver):
        if os.path.exists(path):
            calls.mount(path, path, "none", calls.MS_BIND | calls.MS_REC)
            calls.set_mount_attributes(path, calls.ATTR_RDONLY, recursive=True)
