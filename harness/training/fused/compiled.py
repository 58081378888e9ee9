"""What torch and Triton compile while a client trains is kept by that process alone.

They write modules, and import them. A cache that outlives the process would be code that no digest
covers; what a process has made itself, of code that is covered, is no more than that code.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from contextlib import suppress

FOLDERS = {"TORCHINDUCTOR_CACHE_DIR": "torch", "TRITON_CACHE_DIR": "triton"}
"""Variable that names a cache -> its folder here."""


def compile_apart() -> str:
    """Give this process a folder of its own for what is compiled; return its real path.

    It lies among the run's temporary files where there is a run's, and is deleted with the process;
    see `leave_no_empty` for one that is killed.
    """
    folder = os.path.join(
        os.path.realpath(tempfile.gettempdir()), f"compiled-{secrets.token_hex(8)}"
    )
    os.environ.update({name: os.path.join(folder, below) for name, below in FOLDERS.items()})
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def leave_no_empty(folder: str) -> None:
    """Delete a folder of `compile_apart` in which nothing was compiled.

    torch makes it when its compiler is imported, and again when it compiles something. Called when
    everything is imported, it is not there when a process on a CPU is killed, as Flower's are.
    """
    for place in (*(os.path.join(folder, below) for below in FOLDERS.values()), folder):
        with suppress(OSError):
            os.rmdir(place)
