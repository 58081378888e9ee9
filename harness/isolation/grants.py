"""What a process that loads plugin code may read and write: paths, with the rights on each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from harness.boards.execution.view import SYSTEM
from harness.kernel.landlock import EVERYTHING, KEEP, LIST, OF_FILES, READ
from harness.processes.import_paths import SITE_NAMES, environment_folders

Grant = tuple[str, int]
"""A path and the rights (`harness.kernel.landlock`) on it and on what lies below."""

ETC = Path("/etc")
SECRETS = (
    "gshadow", "krb5.keytab", "shadow", "ssh", "ssl", "sudoers", "sudoers.d", "wireguard",
)  # fmt: skip
"""In /etc, what may hold secrets. All else there is read by one library or another, many of which
take a file that is there and cannot be read for a fault; of `ssl`, all but `private` is given."""

KERNEL = ("/proc", "/sys")

DEVICES = (
    "null", "zero", "full", "random", "urandom", "tty", "kfd", "dri", "nvidia-caps", "nvidiactl",
    "nvidia-modeset", "nvidia-uvm", "nvidia-uvm-tools",
)  # fmt: skip
"""Harmless ones and those of GPUs, whose numbers are added as they are found."""

DRIVER = "/dev/nvidiactl"
"""There where a driver is that writes to /proc: see `harness.isolation.confine.give_up_files`."""

LIBRARY_FOLDERS = ("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "ROCM_PATH")
"""Variables that name folders of libraries."""


def environment() -> list[Grant]:
    """Return what every Python process with torch and Ray needs, a GPU's devices included."""
    found: list[Grant] = [(path, READ) for path in (*SYSTEM, *_settings())]
    found += [(path, READ) for path in (sys.prefix, sys.base_prefix, sys.base_exec_prefix)]
    found += [(path, READ) for path in KERNEL]
    for name in LIBRARY_FOLDERS:
        found += [(path, READ) for path in os.environ.get(name, "").split(os.pathsep) if path]
    devices = [f"/dev/{name}" for name in DEVICES]
    devices += [str(path) for path in Path("/dev").glob("nvidia[0-9]*")]
    found += [(path, OF_FILES | LIST) for path in devices] + [("/dev/shm", EVERYTHING)]
    for folder in sorted(environment_folders()):
        found += [(folder, READ)] if _is_whole(folder) else list(_packages(Path(folder)))
    return [item for path, access in found if os.path.isabs(path) for item in _grants(path, access)]


def _grants(path: str | Path, access: int) -> list[Grant]:
    """Return a right on a path, and on what it is called where a link leads to it."""
    return [
        (name, access) for name in dict.fromkeys((os.path.realpath(path), os.path.abspath(path)))
    ]


def _settings() -> Iterable[str]:
    for path in ETC.iterdir() if ETC.is_dir() else ():
        if path.name.rstrip("-") not in SECRETS:
            yield str(path)
    for path in (ETC / "ssl").iterdir() if (ETC / "ssl").is_dir() else ():
        if path.name != "private":
            yield str(path)


def _is_whole(folder: str) -> bool:
    library = os.path.realpath(os.path.dirname(os.__file__))
    return folder.startswith(library) or folder.endswith((*SITE_NAMES, ".zip"))


def _packages(folder: Path) -> Iterable[Grant]:
    """Yield what can be imported from a folder that an editable install names.

    It is a project's folder, and may hold runs, data and notes: of those, names can be listed.
    """
    yield str(folder), LIST
    for path in folder.iterdir() if folder.is_dir() else ():
        module = path.suffix in (".py", ".so", ".dist-info", ".egg-info")
        # What Python keeps compiled of a module is compared with it before it is imported.
        module = module or path.name == "__pycache__"
        if module or (path / "__init__.py").is_file():
            yield str(path), READ


def readable(path: str | Path) -> list[Grant]:
    """Return the right to read a file or folder, and what the links directly in it lead to.

    Hugging Face's cache is such a folder of links.
    """
    real = Path(os.path.realpath(path))
    links = [item for item in real.rglob("*") if item.is_symlink()] if real.is_dir() else []
    return [*_grants(path, READ), *((os.path.realpath(item), READ) for item in links)]


def writable(path: str | Path) -> list[Grant]:
    """Return the right to do everything in a folder that nobody else reads."""
    return _grants(path, EVERYTHING)


def kept(path: str | Path) -> list[Grant]:
    """Return the right to keep ordinary files in a folder, or in a file, that others read later."""
    return _grants(path, KEEP)
