"""What of the machine's files a program may read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SYSTEM = (
    *("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr"),
    *("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    # Node reads the first of these where it is, and fails where it may not.
    *("/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/etc/localtime", "/nix/store"),
)
"""Where a Linux system keeps programs and libraries; no person's files."""


@dataclass(frozen=True)
class View:
    """Folders and files to show, and the symbolic links on the way to them."""

    readable: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


def view_of(paths: Iterable[Path]) -> View:
    """Return the view that holds the system and `paths`.

    A program in a `bin` folder comes with the installation that it belongs to (the folder above),
    unless that is a person's home, where everything else lies too.
    """
    readable: set[str] = set()
    links: dict[str, str] = {}
    for path in [*map(Path, SYSTEM), *paths]:
        if not os.path.lexists(path):
            continue
        real = Path(_followed(str(path), links))
        installed = os.path.isfile(real) and real.parent.name == "bin"
        place = real.parent.parent if installed else real
        if place in _too_much():
            place = real
        if place not in _too_much():
            readable.add(str(place))
    kept = [
        path
        for path in sorted(readable)
        if not any(str(above) in readable for above in Path(path).parents)
    ]
    inside = [
        (path, target)
        for path, target in sorted(links.items())
        if not any(str(above) in kept for above in Path(path).parents)
    ]
    return View(tuple(kept), tuple(inside))


def _too_much() -> set[Path]:
    home = Path.home()
    return {Path("/"), home, home / ".local", Path("/home"), Path("/root"), Path("/tmp")}


def _followed(path: str, links: dict[str, str]) -> str:
    """Return the real path of `path`, and put the symbolic links on the way into `links`.

    Worked example: `/bin/g++` on Debian passes `/bin -> usr/bin`, `/usr/bin/g++ -> g++-12`.
    """
    done, rest = "/", [part for part in os.path.abspath(path).split("/") if part]
    for _ in range(4096):
        if not rest:
            return done
        part = rest.pop(0)
        if part == "..":
            done = os.path.dirname(done)
            continue
        here = os.path.join(done, part)
        if os.path.islink(here):
            target = os.readlink(here)
            links[here] = target
            done = "/" if target.startswith("/") else done
            rest = [one for one in target.split("/") if one not in ("", ".")] + rest
        else:
            done = here
    return "/"  # a loop, which leads to nothing that could be shown
