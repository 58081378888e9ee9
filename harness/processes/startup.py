"""What decides which code a Python of this environment runs, as a command finds it when it begins.

A `.pth` file in a site folder may hold a line of code, `sitecustomize` and `usercustomize` are
code, and Python runs all three before the first line of any program; `pyvenv.cfg` says where the
standard library lies. Whatever a plugin leaves there while a run goes on would run in the next
process that starts. So a command remembers these files, and the harness's own, before it loads a
plugin, and the process that evaluates is started only where they are still the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import harness
from harness.document import Document, sha256_file
from harness.document.file_digests import code_digests, sha256_of_set
from harness.errors import EvaluationError, UsageError
from harness.processes.import_paths import isolated

ASK = (
    "import json, site, sys;"
    "print(json.dumps([sys.prefix, sys.exec_prefix, [p for p in sys.path if p],"
    " site.getsitepackages()]))"
)
BY_ITSELF = ("sitecustomize", "usercustomize")
"""Modules that Python imports by itself. Source: the documentation of its module `site`."""


class Startup(Document):
    """A Python, the path that it has in isolated mode, and the files that it runs by itself."""

    executable: str
    prefix: str
    exec_prefix: str
    path: tuple[str, ...]
    sites: tuple[str, ...]
    """Site folders: those whose `.pth` files Python reads."""
    files: dict[str, str]
    """File -> sha256: the interpreter, `pyvenv.cfg`, `.pth` files, sitecustomize, usercustomize."""
    harness: dict[str, str]
    """File -> sha256 of the harness's code."""

    @property
    def sha256(self) -> str:
        """Digest of the set of `.pth` files, sitecustomize and usercustomize, for the record."""
        return sha256_of_set(self.files)

    def refuse_changes(self) -> None:
        """Look at the files again, in this process.

        Raises:
            EvaluationError: one came, went or changed; it is named.
        """
        now = {
            **startup_files(self.executable, self.prefix, self.path, self.sites),
            **harness_files(),
        }
        before = {**self.files, **self.harness}
        for name in sorted(now.keys() | before.keys()):
            if now.get(name) == before.get(name):
                continue
            how = "changed" if name in before else "appeared"
            how = how if name in now else "vanished"
            raise EvaluationError(
                f"{name} {how} after this command had begun, and the evaluation would run other"
                " code than was there at the start: find out which plugin or program did it, put"
                " it right, and go on with --resume"
            )


@cache
def found_by(executable: str) -> Startup:
    """Return what an isolated Python of this executable finds; asked once in a process.

    Raises:
        UsageError: it does not answer.
    """
    done = subprocess.run(
        [executable, "-I", "-c", ASK],
        capture_output=True, text=True, check=False, env=isolated(os.environ),
    )  # fmt: skip
    if done.returncode:
        raise UsageError(f"{executable}: no Python that answers; reinstall the environment")
    prefix, exec_prefix, path, sites = json.loads(done.stdout)
    return Startup(
        executable=executable,
        prefix=prefix,
        exec_prefix=exec_prefix,
        path=tuple(path),
        sites=tuple(sites),
        files=startup_files(executable, prefix, path, sites),
        harness=harness_files(),
    )


def here() -> Startup:
    """Return what this process's own Python finds."""
    return found_by(sys.executable)


def startup_files(
    executable: str, prefix: str, path: tuple[str, ...], sites: tuple[str, ...]
) -> dict[str, str]:
    """Return file -> sha256 of what decides which code Python runs before any program.

    Args:
        executable: the interpreter.
        prefix: its `sys.prefix`, where `pyvenv.cfg` lies.
        path: its `sys.path` in isolated mode.
        sites: its site folders.
    """
    files = [Path(executable), Path(prefix, "pyvenv.cfg")]
    for folder in sites:
        files += [item for item in _listed(folder) if item.name.endswith(".pth")]
    for folder in dict.fromkeys([*path, *sites]):
        files += [item for item in _listed(folder) if item.name.split(".")[0] in BY_ITSELF]
    found: dict[str, str] = {}
    for file in files:
        if file.is_dir():
            found |= {str(file / name): sha for name, sha in code_digests(file, file).items()}
        elif file.is_file():
            found[str(file)] = sha256_file(file)
    return found


def harness_files() -> dict[str, str]:
    """Return file -> sha256 of the code of the harness that runs in this process."""
    folder = Path(harness.__file__).parent
    return {str(folder / name): sha for name, sha in code_digests(folder, folder).items()}


def _listed(folder: str) -> list[Path]:
    return sorted(Path(folder).iterdir()) if os.path.isdir(folder) else []
