"""What plugins are installed: entry points and metadata, nothing imported."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

import harness
from harness.document.file_digests import version_of_code
from harness.errors import PluginError, did_you_mean
from harness.plugins.content import content_digest, is_editable
from harness.recipe import FILE_PLUGIN, NAME
from harness.spec import PluginRef

ENTRY_POINT_GROUP = "flowertune_harness"


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What metadata says of a plugin, without importing it."""

    name: str
    distribution: str
    version: str
    module: str
    problem: str | None
    """Why it cannot be loaded, as far as metadata tells."""
    entry_point: EntryPoint

    @property
    def top_module(self) -> str:
        """Name of the module or package that its entry point is in."""
        return self.module.partition(":")[0].partition(".")[0]


def discover() -> dict[str, PluginInfo]:
    """Return every installed plugin by entry point name, from metadata alone.

    Raises:
        PluginError: a distribution is installed twice, or its entry points cannot be read.
    """
    found: dict[str, PluginInfo] = {}
    for dist in _distributions():
        for point in _entry_points(dist):
            info = PluginInfo(
                name=point.name,
                distribution=dist.name,
                version=dist.version,
                module=point.value,
                problem=_name_problem(point) or _version_problem(dist),
                entry_point=point,
            )
            other = found.get(point.name)
            if other is not None:
                twice = (
                    f"offered by two distributions, {other.distribution} and"
                    f" {info.distribution}; uninstall one"
                    if other.distribution != info.distribution
                    else f"offered twice by {info.distribution} {info.version}; mend its entry"
                    " points"
                )
                info = replace(other, problem=twice)  # neither is loaded, and all others can be
            found[point.name] = info
    return dict(sorted(found.items()))


def refuse_unknown(name: str, known: Iterable[str]) -> None:
    """Check that a plugin is installed, and say where one lies that has only been written.

    Args:
        name: entry point name.
        known: names of those that are installed.

    Raises:
        PluginError: it is not.
    """
    if name in known:
        return
    place = next((path for path in (Path(name), Path()) if _offers(path, name)), None)
    if place is None:
        raise PluginError(f"unknown plugin {name!r}; {did_you_mean(name, known)}")
    folder = shlex.quote(f"{place}/" if place.name else ".")
    raise PluginError(f"unknown plugin {name!r}; it lies here: pip install -e {folder}")


def _offers(folder: Path, name: str) -> bool:
    """Return whether the project in a folder, if there is one, offers a plugin of this name."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
        return name in project["project"]["entry-points"][ENTRY_POINT_GROUP]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _distributions() -> list[Distribution]:
    """Distributions that offer plugins; of two with one name the first folder on the path wins.

    Raises:
        PluginError: one folder holds two with one name: either could stand for the other.
    """
    first: dict[str, Distribution] = {}
    # A folder that the path names twice, or by two of its names, holds what it holds once.
    folders: dict[str, str] = {}
    for item in sys.path:
        folders.setdefault(os.path.realpath(item), item)
    for dist in distributions(path=list(folders.values())):
        if ENTRY_POINT_GROUP not in (dist.read_text("entry_points.txt") or ""):
            continue
        other = first.setdefault(canonicalize_name(dist.name), dist)
        folder = str(dist.locate_file(""))
        if other is not dist and str(other.locate_file("")) == folder:
            offers = " and as ".join(
                f"{item.version} (plugin {', '.join(point.name for point in _entry_points(item))})"
                for item in sorted((other, dist), key=lambda item: str(item.version))
            )
            raise PluginError(
                f"{dist.name} is installed as {offers} in {folder}, so that either could stand for"
                " the other; run `pip uninstall` until it is gone, and install it again"
            )
    return list(first.values())


def _entry_points(dist: Distribution) -> list[EntryPoint]:
    try:
        points = dist.entry_points.select(group=ENTRY_POINT_GROUP)
    except (ValueError, TypeError, AttributeError) as error:  # whatever its parser trips over
        raise PluginError(
            f"{dist.name} {dist.version}: its entry_points.txt cannot be read ({error});"
            " install it again"
        ) from error
    return sorted(points, key=lambda item: item.name)


def _name_problem(point: EntryPoint) -> str | None:
    if not re.fullmatch(NAME, point.name):
        return (
            f"its entry point is named {point.name!r}; expected lower-case letters, digits, dot,"
            " underscore, hyphen"
        )
    if point.name == FILE_PLUGIN:
        return f"its entry point is named {point.name!r}, which stands for recipes out of files"
    if not re.fullmatch(r"[\w.]+(:[\w.]+)?", point.value):
        return f"its entry point is {point.value!r}; expected a module, or module:object"
    return None


def _version_problem(dist: Distribution) -> str | None:
    for text in dist.requires or ():
        try:
            need = Requirement(text)
        except InvalidRequirement:
            return f"{dist.name} {dist.version} has an unreadable requirement {text!r}; mend it"
        ours = canonicalize_name(need.name) == "flowertune-harness"
        applies = need.marker is None or need.marker.evaluate({"extra": ""})
        if ours and applies and not need.specifier.contains(harness.__version__, prereleases=True):
            return (
                f"{dist.name} {dist.version} needs flowertune-harness {need.specifier},"
                f" this is {harness.__version__}; install versions that agree"
            )
    return None


def reference(info: PluginInfo) -> PluginRef:
    """Return name, version, content digest and editable flag of a plugin."""
    digest = content_digest(info.top_module, info.name, info.entry_point.dist)
    return PluginRef(
        name=info.name,
        version=version_of_code(info.version, digest),
        digest=digest,
        editable=is_editable(info.entry_point.dist),
    )
