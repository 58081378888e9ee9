"""`harness new-plugin NAME`: a small distribution to start from, which passes its own tests."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path

from packaging.version import Version

from harness import __version__
from harness.document import write_atomic
from harness.errors import UsageError

PLUGIN_NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
LONGEST_NAME = 60
"""Characters: names of files and folders are made of it."""
PLUGIN_FILES = {
    "pyproject.toml.jinja": "pyproject.toml",
    "README.md.jinja": "README.md",
    "src/module/__init__.py.jinja": "src/{module}/__init__.py",
    "src/module/recipe.py.jinja": "src/{module}/recipe.py",
    "src/module/strategy.py.jinja": "src/{module}/strategy.py",
    "tests/test_plugin.py.jinja": "tests/test_plugin.py",
}
"""Template -> file of the new distribution."""


def write_plugin(name: str, folder: Path) -> list[Path]:
    """Write a new plugin distribution.

    Args:
        name: entry point name, as in `--plugin NAME`: lower-case words joined by hyphens.
        folder: where to; must not exist, or be empty.

    Returns:
        The files written.

    Raises:
        UsageError: the name cannot be one of a plugin or is taken, or the folder is in use.
    """
    fits = re.fullmatch(PLUGIN_NAME, name) and len(name) <= LONGEST_NAME
    if not fits or keyword.iskeyword(name):
        raise UsageError(
            f"{name[: LONGEST_NAME + 1]!r} is no plugin name; expected lower-case words of at most"
            f" {LONGEST_NAME} characters together, as in my-entry"
        )
    from harness.plugins import discover

    if name in (known := discover()):
        raise UsageError(
            f"plugin {name!r} is installed already ({known[name].distribution}); choose another"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is in use; name an empty or a new directory with --out")
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    release = ".".join(__version__.split(".")[:2])
    values = {
        "name": name,
        "module": f"harness_{name.replace('-', '_')}",
        "distribution": f"flowertune-harness-{name}",
        # `>=0.2` would refuse the development version `0.2.0.dev0`, which comes before it.
        "harness_version": __version__ if Version(__version__).is_devrelease else release,
    }
    root = resources.files("harness.new_plugin").joinpath("template")
    written = []
    for template, target in PLUGIN_FILES.items():
        text = root.joinpath(template).read_text("utf-8")
        path = folder / target.format(module=values["module"])
        write_atomic(path, environment.from_string(text).render(values))
        written.append(path)
    return written
