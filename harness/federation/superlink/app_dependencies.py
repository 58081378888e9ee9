"""What an app asks a SuperLink to install, and the versions of everything below it.

Flower installs an app's dependencies by `uv sync`, from the one `pyproject.toml` that it lets an
app bring; a `uv.lock` beside it is left out of the bundle. So the lock stands in that file too, as
uv's `constraint-dependencies`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.machine.versions import HARNESS
from harness.plugins.discovery import discover
from harness.spec import PluginRef

OWN_EXTRA = "run"


def dependencies(plugins: Iterable[PluginRef], harness_version: str) -> list[str]:
    """Return what an app needs: the harness with its extra, and the plugins, each one version.

    Args:
        plugins: of the run.
        harness_version: of the harness that makes the app.
    """
    names = {name: info.distribution for name, info in discover().items()}
    wanted = [f"{HARNESS}[{OWN_EXTRA}]=={_public(harness_version)}"]
    return wanted + [f"{names[ref.name]}=={_public(ref.version)}" for ref in plugins]


@cache
def locked_versions() -> tuple[str, ...]:
    """Return `name==version` of whatever the harness's extra has brought into this environment.

    Of a version such as `2.13.0+cpu` the part before the plus: which build of torch is right
    depends on the machine that installs it.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(HARNESS, OWN_EXTRA)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        if name != HARNESS:
            found[name] = _public(installed.version)
        for text in installed.requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                below = canonicalize_name(needed.name)
                waiting += [(below, each) for each in ("", *sorted(needed.extras))]
    return tuple(f"{name}=={version}" for name, version in sorted(found.items()))


def _public(version: str) -> str:
    return Version(version).public
