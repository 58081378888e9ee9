"""Options that several sub-commands share; nothing is imported for them but click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
"""Type of an option that names a folder, which need not exist."""

F = TypeVar("F", bound=Callable[..., Any])


def mirror_option(function: F) -> F:
    """Add the option that names a mirror."""
    option = click.option(
        "--mirror",
        type=FOLDER,
        envvar="HARNESS_MIRROR",
        show_envvar=True,
        help="Local copy of hub files: datasets/ and models/ in it.",
    )
    return option(function)


def actors_option(function: F) -> F:
    """Add the option that says how many client processes there are."""
    option = click.option(
        "--actors",
        type=click.IntRange(1),
        help="Clients trained at the same time; default: as many as cores and memory allow.",
    )
    return option(function)
