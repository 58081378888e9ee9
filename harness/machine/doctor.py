"""What this machine has for a run, looked at before anyone loses an hour."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from harness.document.units import GIB
from harness.errors import how_to_install
from harness.kernel.bare import bare_python
from harness.machine.cache_folder import cache_folder
from harness.machine.machine import this_machine
from harness.machine.versions import INSTALL_ONCE, installed_twice

Verdict = Literal["good", "lacking", "absent"]

RUN_PACKAGES = ("flwr", "torch", "transformers", "peft", "bitsandbytes", "lm_eval", "datasets")
"""Packages of the extra `[run]` that a run imports by these names."""
HUB = ("huggingface.co", 443)
INDEX = ("pypi.org", 443)
"""Where pip looks for packages, the smoke run's model among them."""
HUB_TIMEOUT_S = 3.0
ENOUGH_DISK_BYTES = 10 * GIB
"""A run of the reference recipe keeps its base model (3.4 GB), checkpoints and logs."""
ENOUGH_MEMORY_BYTES = 3 * GIB
"""The smoke run's processes take 2.7 GiB; see docs/speed.md. In a container of 3 GiB it was run."""


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    """`good`; `lacking`: a run would fail or wait for it; `absent`: a run goes on without it."""
    found: str
    advice: str = ""
    """What to do about it; "" where it is good."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value."""
        return asdict(self)


def examine(mirror: Path | None, ask_hub: bool = True) -> list[Look]:
    """Look at what a run needs of this machine; nothing is changed, downloaded or started.

    Args:
        mirror: local copy of hub files, where there is one.
        ask_hub: whether to try a connection to the Hugging Face hub, of three seconds at most.
    """
    asked = [_hub(mirror), _network()] if ask_hub else []
    return [*_packages(), *_machine(), *_folders(mirror), *asked, _isolation()]


def _packages() -> Iterator[Look]:
    missing = [name for name in RUN_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        yield Look(
            "packages", "lacking", f"no {', '.join(missing)}",
            f"{how_to_install('run')}, or -r requirements.txt from the repository",
        )  # fmt: skip
    elif twice := installed_twice():
        yield Look("packages", "lacking", "; ".join(twice), INSTALL_ONCE)
    else:
        yield Look("packages", "good", "everything of the extra [run]")


def _machine() -> Iterator[Look]:
    machine = this_machine()
    yield Look("cores", "good", f"{machine.cores}, vector width {machine.vector_bits} bits")
    memory = f"{machine.memory_bytes / GIB:.1f} GiB"
    if machine.memory_bytes < ENOUGH_MEMORY_BYTES:
        yield Look("memory", "lacking", memory, "a smoke run takes 2.7 GiB; use a larger machine")
    else:
        yield Look("memory", "good", memory)
    if machine.gpu_name is None:
        yield Look(
            "gpu", "absent", "nvidia-smi lists none",
            "small recipes run on a CPU (smollm2-dora/135m); 1.7B needs a card or --device cpu",
        )  # fmt: skip
    else:
        free = f"{machine.gpu_free_bytes / GIB:.1f} GiB free"
        yield Look("gpu", "good", f"{machine.gpu_name}, {free}")


def _folders(mirror: Path | None) -> Iterator[Look]:
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    shown = f"{free / GIB:.0f} GiB free in {here}"
    if free < ENOUGH_DISK_BYTES:
        yield Look("disk", "lacking", shown, "10 GiB hold the reference run; use --out elsewhere")
    elif not os.access(here, os.W_OK):
        yield Look("disk", "lacking", f"{here} cannot be written", "go elsewhere, or use --out")
    else:
        yield Look("disk", "good", shown)
    cache = cache_folder()
    nearest = next(path for path in (cache, *cache.parents) if path.exists())
    if os.access(nearest, os.W_OK):
        yield Look("cache", "good", str(cache))
    else:
        yield Look("cache", "absent", f"{cache} cannot be written", "set HARNESS_CACHE to a folder")
    if mirror is None:
        yield Look("mirror", "absent", "none", "only needed without a network: --mirror DIR")
    elif mirror.is_dir() and any(mirror.iterdir()):
        yield Look("mirror", "good", str(mirror))
    else:
        yield Look("mirror", "lacking", f"{mirror}: no folder, or empty", "correct --mirror")


def _network() -> Look:
    try:
        with socket.create_connection(INDEX, timeout=HUB_TIMEOUT_S):
            return Look("network", "good", f"{INDEX[0]} answers")
    except OSError as error:
        why = error.strerror or type(error).__name__
        return Look(
            "network", "absent", f"{INDEX[0]} does not answer ({why})",
            "a proxy or mirror of pip's may do; only a first smoke run needs it, for its model",
        )  # fmt: skip


def _isolation() -> Look:
    """Ask the kernel in a child what a run's plugin code could be held back by."""
    try:
        done = subprocess.run(
            bare_python("harness.isolation.offered"),
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        facts = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        facts = {"missing": [f"could not be asked ({type(error).__name__})"]}
    if facts["missing"]:
        return Look(
            "isolation", "absent", "; ".join(facts["missing"]),
            "plugin code is held back as far as it can be; Linux 5.13 with user namespaces has all",
        )  # fmt: skip
    return Look(
        "isolation", "good",
        f"{facts['network']}, {facts['processes']}, Landlock {facts['landlock']}",
    )  # fmt: skip


def _hub(mirror: Path | None) -> Look:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return Look("hub", "absent", "HF_HUB_OFFLINE is set", "unset it to download")
    try:
        with socket.create_connection(HUB, timeout=HUB_TIMEOUT_S):
            return Look("hub", "good", "huggingface.co answers")
    except OSError as error:
        verdict: Verdict = "lacking" if mirror is None else "absent"
        why = error.strerror or type(error).__name__
        return Look(
            "hub", verdict, f"huggingface.co does not answer ({why})",
            "a mirror will do: --mirror DIR; a smoke run needs neither",
        )  # fmt: skip
