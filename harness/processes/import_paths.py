"""A process imports from its Python environment, and nothing from where one stands.

Python looks first in the current directory or beside the script, then in PYTHONPATH, and in the
user's own site folder: whoever controls one of these decides what code runs under the harness's
name. A run's first process gives these up as soon as it starts, and its children never have them.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping
from functools import cache

from harness.errors import UsageError

HARMLESS = frozenset(
    {
        "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONIOENCODING",
        "PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONWARNINGS",
    }
)  # fmt: skip
"""Variables of Python's own that lead to no code. PYTHONPATH does, and so do PYTHONHOME,
PYTHONUSERBASE, PYTHONPYCACHEPREFIX (compiled files) and what later versions may add."""

SAFE = {"PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}
"""No current directory or script's folder, and no user's site folder, on a child's path."""

SITE_NAMES = ("site-packages", "dist-packages")


def isolated(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for a Python that imports from its environment alone."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("PYTHON") or name in HARMLESS
    }
    return kept | SAFE


def keep_to_environment() -> None:
    """Let this process and its children import nothing but what is installed.

    Raises:
        UsageError: a module that was imported before lies elsewhere, `sitecustomize` included.
    """
    wanted = isolated(os.environ)
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(SAFE)
    sys.pycache_prefix = None
    sys.path[:] = dict.fromkeys(
        entry
        for entry in sys.path
        if os.path.isabs(entry) and os.path.realpath(entry) in environment_folders()
    )
    for name, folder in foreign_modules().items():
        raise UsageError(
            f"{name} was imported from {folder}, which is no part of the environment"
            f" {sys.prefix}; unset PYTHONPATH, or install what lies there with pip"
        )


def foreign_modules() -> dict[str, str]:
    """Return name -> folder of the imported modules that lie outside of the environment."""
    found = {}
    for name, module in sorted(sys.modules.items()):
        if "." in name or name in ("__main__", "__mp_main__"):
            continue
        origin = getattr(module, "__file__", None)
        places = list(getattr(module, "__path__", ())) or ([origin] if origin else [])
        for folder in {os.path.dirname(str(place)) for place in places}:
            if not _belongs(folder):
                found[name] = folder
    return found


@cache
def environment_folders() -> frozenset[str]:
    """Return the real paths of the folders that this Python has on its path in isolated mode.

    They are the standard library, the environment's site folders and what the `.pth` files in
    these name (an editable install is such a line). Where the path has more, an isolated Python is
    asked: a `.pth` file may also hold code, as some editable installs do.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = {os.path.dirname(os.__file__)}
    for prefix in {sys.base_prefix, sys.base_exec_prefix}:
        library = os.path.join(prefix, sys.platlibdir, version)
        archive = f"{version.replace('.', '')}.zip"
        folders |= {library, os.path.join(library, "lib-dynload")}
        folders |= {
            os.path.join(prefix, sys.platlibdir, archive),
            os.path.join(prefix, "lib", archive),
        }
    folders |= {os.path.join(folder, "lib-dynload") for folder in list(folders)}
    for folder in site.getsitepackages():
        folders |= {folder, *_named_in(folder)}
    known = frozenset(os.path.realpath(folder) for folder in folders)
    if all(os.path.realpath(entry) in known for entry in sys.path if os.path.isabs(entry)):
        return known
    return known | {os.path.realpath(entry) for entry in _isolated_path() if entry}


def _isolated_path() -> list[str]:
    import subprocess  # rarely needed, and every command would wait 10 ms for it

    code = "import sys; sys.stdout.write(chr(0).join(sys.path))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
    )
    return done.stdout.split(chr(0)) if done.returncode == 0 else []


def _named_in(folder: str) -> list[str]:
    """Return the folders that the `.pth` files of a site folder add to the path."""
    found = []
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        if name.endswith(".pth") and not name.startswith("."):
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                lines = [line.strip() for line in file]
            found += [
                os.path.join(folder, line)
                for line in lines
                if line and not line.startswith(("#", "import ", "import\t"))
            ]
    return found


@cache
def _belongs(folder: str) -> bool:
    """Whether modules in `folder` are the environment's.

    Below the standard library and site folders everything is (packages put folders of their own on
    the path); of a folder that an editable install names, only its top is.
    """
    real = os.path.realpath(folder)
    known = environment_folders()
    if real in known:
        return True
    library = os.path.realpath(os.path.dirname(os.__file__))
    whole = [item for item in known if item == library or item.endswith(SITE_NAMES)]
    return any(real.startswith(item + os.sep) for item in whole)
