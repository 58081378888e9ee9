"""Versions and machine, as they go into the record; read from metadata, nothing imported."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path

import harness
from harness.document.file_digests import code_digests, sha256_of_set, version_of_code
from harness.errors import MissingExtraError, how_to_install
from harness.record.machine import Device, Environment, GitState, HarnessCode

RUN_PACKAGES = (
    "flwr", "flwr_datasets", "torch", "transformers", "peft", "bitsandbytes", "lm_eval", "ray",
)  # fmt: skip
"""Import names that `harness run` needs: the extra `[run]`."""

HARNESS = "flowertune-harness"

INSTALL_ONCE = "run `pip uninstall` until it is gone, and install it again"
"""What to do about a distribution that is there in two versions."""

RECORDED = (
    HARNESS, "accelerate", "bitsandbytes", "datasets", "flwr", "flwr-datasets",
    "huggingface-hub", "lm-eval", "numpy", "peft", "pluggy", "pydantic", "ray", "safetensors",
    "scikit-learn", "scipy", "tokenizers", "torch", "transformers",
)  # fmt: skip
"""Distributions whose versions can change a number."""


def require_run_extra() -> None:
    """Check that the extra `[run]` is installed, and each of its packages once.

    Raises:
        MissingExtraError: a package is missing, all missing ones are named; or there are two
            versions of one, see `installed_twice`.
    """
    missing = [name for name in RUN_PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{', '.join(missing)} not installed; running needs the extra: {how_to_install('run')}"
        )
    if twice := installed_twice():
        raise MissingExtraError(f"{twice[0]}; {INSTALL_ONCE}")


def installed_twice() -> list[str]:
    """Return a phrase for each recorded distribution of which one folder holds two versions.

    Which of them runs is not in the metadata, and a record would name the one that is read first.
    """
    found = []
    for name in RECORDED:
        versions: dict[str, set[str]] = {}
        for each in distributions(name=name):
            versions.setdefault(str(each.locate_file("")), set()).add(each.version)
        found += [
            f"{name} is installed as {' and as '.join(sorted(some))} in {folder}"
            for folder, some in versions.items()
            if len(some) > 1
        ]
    return found


def package_versions() -> dict[str, str]:
    """Return the installed versions of the recorded distributions."""
    return installed_versions(RECORDED)


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed, from their metadata."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    # What runs, whatever metadata says: an editable install's are of the day it was made.
    return found | {HARNESS: harness_code().version}


@cache
def harness_code() -> HarnessCode:
    """Return version and digest of the harness that runs in this process."""
    folder = Path(harness.__file__).parent
    digest = sha256_of_set(code_digests(folder, folder), folder_by_folder=True)
    return HarnessCode(version=version_of_code(harness.__version__, digest), digest=digest)


def environment(
    device: Device, foreign: Iterable[str] = (), startup_sha256: str | None = None
) -> Environment:
    """Return the environment of this process with the device that trained.

    Args:
        device: what trained.
        foreign: names of modules that were imported from elsewhere.
        startup_sha256: digest of what Python runs by itself here.
    """
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        packages=package_versions(),
        device=device,
        git=git_state(Path(__file__).resolve().parent.parent.parent),
        harness=harness_code(),
        foreign_modules=tuple(sorted(foreign)),
        startup_sha256=startup_sha256,
    )


def git_state(checkout: Path) -> GitState | None:
    """Return commit and cleanliness of the harness checkout, or None outside one.

    Only `harness/` and `plugins/` count: a run directory inside the checkout makes nothing dirty.
    """
    if not (checkout / ".git").exists():
        return None
    git = ["git", "--no-optional-locks", "-C", str(checkout)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        status = subprocess.run(
            [*git, "status", "--porcelain", "--", "harness", "plugins"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return GitState(commit=commit.stdout.strip(), dirty=bool(status.stdout.strip()))
