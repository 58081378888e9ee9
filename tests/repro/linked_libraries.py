"""The libraries of this environment in another one, without a download: their files, linked.

An environment with the recorded versions takes minutes and gigabytes to install. Where this one has
them all, only harness and plugins are other ones: what a library's `RECORD` lists is linked. The
other environment is complete, and nothing in it leads back here.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.machine.versions import HARNESS, installed_versions

ENTRY_POINTS = "flowertune_harness"


def has_all(versions: dict[str, str], constraints: Iterable[str]) -> bool:
    """Return whether this environment has those versions, and no package as constraints forbid.

    Args:
        versions: distribution -> version, of which the harness's own does not count.
        constraints: lines `name==version`; a package that is not installed breaks none.
    """
    wanted = {name: text for name, text in versions.items() if name != HARNESS}
    found = installed_versions(wanted)
    if any(found.get(name) != text for name, text in wanted.items()):
        return False
    pins = dict(line.strip().split("==", 1) for line in constraints if "==" in line)
    others = installed_versions(pins)
    return all(
        others[name].partition("+")[0] == text.split()[0].partition("+")[0]
        for name, text in pins.items()
        if name in others and name not in versions
    )


def link_libraries(environment: Path) -> None:
    """Link everything that is installed here, but for harness and plugins, into `environment`.

    Args:
        environment: a virtual environment of this Python, with nothing in it.
    """
    seen: set[str] = set()
    for distribution in distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        if name not in seen and not _is_own(distribution, name):
            seen.add(name)
            link(distribution, environment)


def link_required(requirements: Iterable[str], environment: Path) -> None:
    """Link what pip would install for requirements, and nothing else that is installed here.

    Args:
        requirements: as a pyproject.toml has them.
        environment: a virtual environment of this Python.

    Raises:
        PackageNotFoundError: one of them is not installed here.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    wanted = [(Requirement(text), "") for text in requirements]
    while wanted:
        item, extra = wanted.pop()
        if item.marker is not None and not item.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(item.name)
        distribution = found.setdefault(name, Distribution.from_name(name))
        for each in {"", *item.extras}:
            if (name, each) not in seen:
                seen.add((name, each))
                wanted += [(Requirement(text), each) for text in distribution.requires or ()]
    for distribution in found.values():
        link(distribution, environment)


def link(distribution: Distribution, environment: Path) -> None:
    """Link the files of one distribution into a virtual environment of this Python."""
    scripts = environment / "bin"
    packages = environment / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    for file in distribution.files or ():
        source = Path(str(distribution.locate_file(file)))
        if not source.is_file():
            continue
        if PurePosixPath(file).parts[:1] == ("..",):
            if source.parent.name == "bin":
                _copy_script(source, scripts / source.name)
        else:
            _link(source, packages / file)


def _is_own(distribution: Distribution, name: str) -> bool:
    points = distribution.entry_points
    return name == HARNESS or any(point.group == ENTRY_POINTS for point in points)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:  # another file system
        shutil.copy2(source, target)


def _copy_script(source: Path, target: Path) -> None:
    """Copy a program of a library, so that a script runs on the other environment's Python."""
    content = source.read_bytes()
    first, newline, rest = content.partition(b"\n")
    if first.startswith(b"#!") and b"python" in first:
        content = b"#!" + os.fsencode(target.with_name("python")) + newline + rest
    target.write_bytes(content)
    target.chmod(0o755)
