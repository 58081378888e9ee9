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

FOLDERS = {"TORCHINDUCTOR_CACHE_DIR": "torch", "TRITON_CACHE_DIR": "triton"}
"""Variable that names a cache -> its folder here."""


def compile_apart() -> str:
    """Give this process a folder of its own for what is compiled; return its real path.

    It lies among the run's temporary files where there is a run's. Nothing is made before something
    is compiled, so that a process on a CPU, however it ends, leaves nothing; what was made is
    deleted with the process.
    """
    folder = os.path.join(
        os.path.realpath(tempfile.gettempdir()), f"compiled-{secrets.token_hex(8)}"
    )
    os.environ.update({name: os.path.join(folder, below) for name, below in FOLDERS.items()})
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
