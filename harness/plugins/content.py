"""What of a plugin can run: the modules of its distribution, and their digest."""

from __future__ import annotations

import importlib.util
import json
import marshal
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

from harness.document.file_digests import code_digests, sha256_of_set
from harness.errors import PluginError, RecordError

SITE_NAMES = ("site-packages", "dist-packages")
MODULE_SUFFIXES = (".py", ".so", ".pyd")


def content_digest(top_module: str, plugin: str, dist: Distribution | None = None) -> str:
    """Return the sha256 over the files of a plugin that can run: sorted `path:sha256` lines.

    A distribution of one module or package is digested as that, its paths relative to the package;
    one of several as all of them, its paths relative to the site folder.

    Args:
        top_module: of the entry point.
        plugin: its name, for messages.
        dist: its distribution; None: the module alone.

    Raises:
        PluginError: the module cannot be located, its distribution has no list of its files, or
            compiled code lies there that Python would run in place of a source.
    """
    parts = _parts(top_module, plugin, dist)
    digests: dict[str, str] = {}
    try:
        for path in parts:
            alone = len(parts) == 1 and path.is_dir()
            digests |= code_digests(path, path if alone else path.parent)
    except RecordError as error:
        raise PluginError(f"plugin {plugin!r}: {error}") from error
    return sha256_of_set(digests, folder_by_folder=True)


def refuse_other_byte_code(top_module: str, plugin: str, dist: Distribution | None) -> None:
    """Check that what Python keeps compiled of a plugin is what its sources say.

    Python runs `__pycache__/x.pyc` in place of `x.py` where time and size of the source agree with
    what the compiled file says of them, and the digest is of the sources.

    Raises:
        PluginError: a compiled file that would be run has other code; or see `content_digest`.
    """
    for part in _parts(top_module, plugin, dist):
        for source in [part] if part.is_file() else part.rglob("*.py"):
            compiled = Path(importlib.util.cache_from_source(str(source)))
            if source.suffix == ".py" and compiled.is_file() and not _agree(source, compiled):
                raise PluginError(
                    f"plugin {plugin!r}: {compiled} is not what its source compiles to; delete"
                    f" {compiled.parent}"
                )


def _agree(source: Path, compiled: Path) -> bool:
    data, facts = compiled.read_bytes(), source.stat()
    if data[:4] != importlib.util.MAGIC_NUMBER:
        return True  # of another Python: it is not run
    by_time = data[4:8] == bytes(4)
    said = tuple(int.from_bytes(data[at : at + 4], "little") for at in (8, 12))
    if by_time and said != (int(facts.st_mtime) & 0xFFFFFFFF, facts.st_size & 0xFFFFFFFF):
        return True  # of another state of the source: it is not run
    try:
        return bool(
            marshal.loads(data[16:])
            == compile(source.read_bytes(), str(source), "exec", dont_inherit=True)
        )
    except (ValueError, EOFError, TypeError, SyntaxError):
        return False


def is_editable(dist: Distribution | None) -> bool:
    """Whether pip installed the distribution as a link to a project's folder."""
    text = dist.read_text("direct_url.json") if dist is not None else None
    return bool(text and json.loads(text).get("dir_info", {}).get("editable"))


def _parts(top_module: str, plugin: str, dist: Distribution | None) -> list[Path]:
    """Return the modules and packages of a plugin, sorted, with that of its entry point."""
    found = importlib.util.find_spec(top_module)
    if found is None:
        raise PluginError(f"plugin {plugin!r}: module {top_module!r} cannot be located")
    if found.origin is None:
        raise PluginError(
            f"plugin {plugin!r}: package {top_module!r} has no __init__.py, so other distributions"
            " may lie in it, and a digest is of one alone; give it one, or put the plugin into a"
            " package of its own at the top level"
        )
    origin = Path(found.origin)
    own = origin.parent if found.submodule_search_locations is not None else origin
    others = _of_distribution(dist, own, plugin) if dist is not None else ()
    return sorted({own, *others})


def _of_distribution(dist: Distribution, own: Path, plugin: str) -> Iterator[Path]:
    """Yield the modules and packages of a distribution, and the `.pth` files that hold code.

    What an editable install can import is whatever lies beside its module in the project's folder.
    """
    if is_editable(dist):
        yield from _importable(own.parent)
        return
    if dist.files is None:
        if own.parent.name in SITE_NAMES:
            raise PluginError(
                f"plugin {plugin!r}: {dist.name} {dist.version} has no RECORD of its files;"
                " install it again with pip"
            )
        yield from _importable(own.parent)
        return
    site = Path(str(dist.locate_file("")))
    for top in sorted({file.parts[0] for file in dist.files}):
        path = site / top
        if top in ("..", "__pycache__") or top.endswith((".dist-info", ".egg-info")):
            continue
        if path.exists():
            yield path


def _importable(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if (path.is_file() and path.suffix in (*MODULE_SUFFIXES, ".pyc", ".pth")) or (
            path.is_dir()
            and path.name.isidentifier()
            and path.name != "__pycache__"
            and any(file.suffix in MODULE_SUFFIXES for file in path.rglob("*"))
        ):
            yield path
