"""Places in a plugin author's own files: `harness_my_entry/recipe.py:28`.

Tracebacks say where an error was raised; what Python has long forgotten (which line gave a document
its field, which one keeps a state) is looked up in the syntax tree of the files. Nothing is run.
"""

from __future__ import annotations

import ast
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import ValidationError

from harness.errors import PluginError

LIBRARIES = frozenset({"harness", "pydantic", "pydantic_core", "pluggy"}) | sys.stdlib_module_names
"""Top-level modules that a plugin's error passes through and never comes from."""

HEAVY = ("torch", "transformers", "peft", "flwr", "numpy", "ray", "datasets", "lm_eval")
"""What importing a plugin must not import: `harness plan` starts in a fraction of a second."""

HAS_PLACE = re.compile(r"\(\S+\.py:\d+\)")
"""A message that names a line already."""


def shown(path: str | Path, line: int) -> str:
    """Return a place for people: the path from the outermost package on, and the line."""
    path = Path(path)
    top = path.parent
    while (top / "__init__.py").is_file():
        top = top.parent
    return f"{path.relative_to(top)}:{line}"


def of_error(error: BaseException) -> str:
    """Return the last line of the author's through which an error came; "" where there is none.

    A document that is refused is the author's at the line that gives the first wrong field.
    """
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return shown(error.filename, error.lineno)
    steps = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    authors = [_top(frame) for frame, _ in steps if _top(frame) not in LIBRARIES]
    if not authors:
        return ""
    own = [step for step in steps if _top(step[0]) == authors[0]]
    path, line = own[-1][0].f_code.co_filename, own[-1][1]
    if isinstance(error, ValidationError) and error.errors():
        field = next(iter(error.errors()[0]["loc"]), "")
        line = _line_of_field(path, line, error.title, str(field))
    return shown(path, line)


def of_frame(frame: FrameType | None) -> str:
    """Return the innermost line of the author's that is at work; "" where there is none."""
    for step, line in traceback.walk_stack(frame):
        if _top(step) not in LIBRARIES:
            return shown(step.f_code.co_filename, line)
    return ""


def of_function(function: Any) -> str:
    """Return where a function or a class's method is written; "" where it has no source."""
    function = getattr(function, "func", function)  # functools.partial
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    return "" if code is None else shown(code.co_filename, code.co_firstlineno)


def at(function: Any) -> str:
    """Return ` (file:line)` of a function or class's method, to be put behind its name, or ""."""
    place = of_function(function)
    return f" ({place})" if place else ""


def of_import(module: str) -> str:
    """Return the first line of a plugin's loaded files that imports one of `HEAVY` at its top."""
    for path, tree in _sources(module):
        for node in tree.body:
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            if any(name.partition(".")[0] in HEAVY for name in names):
                return shown(path, node.lineno)
    return ""


def of_attribute(kind: type, name: str) -> str:
    """Return where the source of a class gives itself an attribute, `self.turns = ...`."""
    for path, tree in _sources(kind.__module__.partition(".")[0]):
        for node in ast.walk(tree):
            stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            if isinstance(node, ast.Attribute) and stored and node.attr == name:
                return shown(path, node.lineno)
    return ""


@dataclass(frozen=True, slots=True)
class Written:
    """A recipe as its author wrote it: the top module of its plugin, and its name."""

    module: str
    recipe: str
    set_by_user: frozenset[str] = frozenset()
    """Paths that the command line has set, `train.rounds`: no author's line is to blame."""

    def at(self, *path: str) -> str:
        """Return ` (file:line)` of a value of the recipe, or "" where that is nobody's line.

        Args:
            path: names of fields and keys, as in `"peft", "params", "r"`.
        """
        asked = ".".join((*path, ""))
        given = [f"{item}." for item in self.set_by_user]
        if any(asked.startswith(item) or item.startswith(asked) for item in given):
            return ""
        for file, tree in _sources(self.module):
            for call in _calls(tree, "Recipe"):
                name = _argument(call, "name")
                if isinstance(name, ast.Constant) and name.value == self.recipe:
                    return f" ({shown(file, _descend(tree, call, path))})"
        for file, tree in _sources(self.module):
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef) and node.name == "harness_recipes":
                    return f" ({shown(file, node.lineno)})"
        return ""

    @contextmanager
    def blamed(self, *path: str) -> Iterator[None]:
        """Add to a plugin's error the line that gives a value of the recipe, if it names none yet.

        Args:
            path: as `at` takes it.

        Raises:
            PluginError: with the line, in place of the one that came.
        """
        try:
            yield
        except PluginError as error:
            if HAS_PLACE.search(str(error)):
                raise
            raise PluginError(f"{error}{self.at(*path)}") from error


NOWHERE = Written("", "")
"""A recipe that no plugin has written: out of a file, or a record."""


def _top(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _sources(module: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield the files of a plugin that this process has loaded, as syntax trees."""
    if not module:
        return
    for name, loaded in sorted(sys.modules.items()):
        path = getattr(loaded, "__file__", None)
        if name.partition(".")[0] == module and str(path).endswith(".py"):
            tree = _tree(str(path))
            if tree is not None:
                yield str(path), tree


@cache
def _tree(path: str) -> ast.Module | None:
    try:
        return ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        called = getattr(node, "func", None)
        if isinstance(node, ast.Call) and name in (
            getattr(called, "id", None),
            getattr(called, "attr", None),
        ):
            yield node


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    return next((item.value for item in call.keywords if item.arg == name), None)


def _descend(tree: ast.Module, node: ast.expr, path: tuple[str, ...]) -> int:
    """Return the line at which a value is given, or the nearest one around it."""
    line = node.lineno
    for key in path:
        found: ast.expr | None = None
        if isinstance(node, ast.Call):
            found = _argument(node, key)
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            found = next((v for k, v in pairs if getattr(k, "value", None) == key), None)
        if found is None:
            return line
        line, node = found.lineno, _assigned(tree, found)
    return line


def _assigned(tree: ast.Module, node: ast.expr) -> ast.expr:
    """Return what a name of the same file stands for, else the node itself."""
    if isinstance(node, ast.Name):
        for item in tree.body:
            names = item.targets if isinstance(item, ast.Assign) else []
            if any(isinstance(name, ast.Name) and name.id == node.id for name in names):
                assert isinstance(item, ast.Assign)
                return item.value
    return node


def _line_of_field(path: str, line: int, kind: str, field: str) -> int:
    """Return the line of a call's argument, given the line at which the call begins."""
    tree = _tree(path)
    for call in _calls(tree, kind) if tree else ():
        value = _argument(call, field)
        if call.lineno <= line <= (call.end_lineno or line) and value is not None:
            return value.lineno
    return line
