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

RUNNING = ("/run", "/var/run")
"""Where programs that run keep their sockets. Source: hier(7). They are searched because those of
another network namespace, a container engine's outside of this container, are in no list."""

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
    places = [*RUNNING, f"/run/user/{os.getuid()}", os.environ.get("XDG_RUNTIME_DIR", "")]
    for place in {os.path.realpath(path) for path in places if os.path.isdir(path)}:
        found.update(_sockets_below(place, os.stat(place).st_dev))
    return sorted(found)


def _sockets_below(folder: str, device: int) -> Iterator[str]:
    """Yield the sockets of one file system: mounted below may be a container's whole disk."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISSOCK(facts.st_mode):
                yield entry.path
            elif stat.S_ISDIR(facts.st_mode) and facts.st_dev == device:
                yield from _sockets_below(entry.path, device)


def mount_own(
    allowed: Sequence[tuple[str, int]], sockets: Sequence[str], driver: bool = False
) -> None:
    """Change the mounts of this process's own mount and process namespaces.

    Nothing can be changed but what is allowed to be, shared memory is empty and ends with the
    process, none of the sockets leads to anybody, and /proc shows this process namespace.

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
    if os.path.isdir(SHARED_MEMORY):
        _mount_shared_memory({path for path, _ in allowed if path.startswith(f"{SHARED_MEMORY}/")})
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


def _mount_shared_memory(kept: Iterable[str]) -> None:
    """Mount shared memory of its own; a run or a model that lies in the machine's stays there."""
    places = {path: os.open(path, os.O_PATH) for path in kept if os.path.exists(path)}
    calls.mount("tmpfs", SHARED_MEMORY, "tmpfs", QUIET, "mode=1777")
    for path, place in places.items():
        source = f"/proc/self/fd/{place}"
        folder = os.path.isdir(source)
        os.makedirs(path if folder else os.path.dirname(path), exist_ok=True)
        if not folder:
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
