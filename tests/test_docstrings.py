"""Docstrings: each public thing says what it is, what it takes, and when it raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "harness"

MANY = 4
"""Parameters from which on each one is described."""

CLIPPED = {
    "and", "are", "as", "at", "between", "by", "for", "from", "is", "of", "on", "or", "since",
    "that", "to", "was", "when", "where", "which", "whose", "with", "without",
}  # fmt: skip
"""Words that a sentence does not begin with when it says whom or what it is about."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield every module of the package: path, tree."""
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def public(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Yield the public classes, functions and methods of a body; what is in a function is its own.

    A public class's `__init__` is public as well: it is how the class is called. The class's own
    docstring may describe its parameters in its place.
    """
    for node in body:
        if isinstance(node, Function | ast.ClassDef):
            if node.name.startswith("_") and not (owner and node.name == "__init__"):
                continue
            yield f"{owner}{node.name}", node
            if isinstance(node, ast.ClassDef):
                described = "Args:" in (ast.get_docstring(node) or "")
                inner = [item for item in node.body if not (described and is_init(item))]
                yield from public(inner, f"{node.name}.")


def is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def functions() -> Iterator[tuple[str, Function]]:
    """Yield the public functions whose docstring is for a reader of code.

    A sub-command's is its help text, and its options say what they take.
    """
    for path, tree in modules():
        for name, node in public(tree.body):
            if isinstance(node, Function) and not any(
                "click." in ast.unparse(item) for item in node.decorator_list
            ):
                yield f"{path}: {name}", node


def section(node: Function, title: str) -> str:
    """Return one section of a docstring: from its title to the next one."""
    text = ast.get_docstring(node) or ""
    found = re.search(rf"^{title}:\n(.*?)(?=^\S|\Z)", text, re.M | re.S)
    return found.group(1) if found else ""


def first_sentence(text: str) -> str:
    """Return a docstring up to the period that ends its first sentence; empty without one."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    found = re.match(r".*?\.(?=\s|$)", paragraph)
    return found.group() if found else ""


def parameters(node: Function) -> list[str]:
    """Return the names that a caller gives values to."""
    given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    names = [item.arg for item in given]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def raised(node: Function) -> set[str]:
    """Return the names of the exceptions that leave a function by its own `raise` statements."""
    found: set[str] = set()
    rest: list[tuple[ast.AST, frozenset[str]]] = [(item, frozenset()) for item in node.body]
    while rest:
        item, caught = rest.pop()
        if isinstance(item, Function | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(item, ast.Raise) and item.exc is not None:
            error = item.exc.func if isinstance(item.exc, ast.Call) else item.exc
            name = ast.unparse(error).rpartition(".")[2]
            if re.fullmatch(r"[A-Z]\w*", name) and name not in caught:
                found.add(name)
        handled = ""
        if isinstance(item, ast.Try):
            handled = " ".join(ast.unparse(each.type) for each in item.handlers if each.type)
        inside = caught | frozenset(re.findall(r"\w+", handled))
        guarded = item.body if isinstance(item, ast.Try) else []
        rest += [(it, inside if it in guarded else caught) for it in ast.iter_child_nodes(item)]
    return found - {"AssertionError", "NotImplementedError"}


def test_everything_public_has_a_docstring_that_begins_with_a_sentence() -> None:
    """A first sentence ends with a period, has three words, and begins with its subject or verb."""
    wrong = []
    for path, tree in modules():
        named: list[tuple[str, ast.Module | Function | ast.ClassDef]] = [(path, tree)]
        named += [(f"{path}: {name}", node) for name, node in public(tree.body)]
        for name, node in named:
            sentence = first_sentence(ast.get_docstring(node) or "")
            words = sentence.split()
            if len(words) < 3 or words[0].lower() in CLIPPED:
                wrong.append(f"{name}: {sentence or 'no sentence'}")
    assert not wrong, "\n".join(wrong)


def test_a_function_of_many_parameters_describes_each() -> None:
    """No parameter of a long list is left to be guessed, and none is described that is gone."""
    wrong = []
    for name, node in functions():
        described = re.findall(r"^    \*{0,2}(\w+):", section(node, "Args"), re.M)
        names = parameters(node)
        if len(names) >= MANY and (lack := [item for item in names if item not in described]):
            wrong.append(f"{name}: Args lack {', '.join(lack)}")
        every = [*names, *(item.arg for item in (node.args.vararg, node.args.kwarg) if item)]
        if odd := [item for item in described if item not in every]:
            wrong.append(f"{name}: Args describe {', '.join(odd)}")
    assert not wrong, "\n".join(wrong)


def test_what_a_function_raises_itself_is_named() -> None:
    """Whoever calls a function reads which errors of its own to expect."""
    wrong = []
    for name, node in functions():
        text = (ast.get_docstring(node) or "").partition("aises")[2]
        if lack := sorted(item for item in raised(node) if not re.search(rf"\b{item}\b", text)):
            wrong.append(f"{name}: Raises lack {', '.join(lack)}")
    assert not wrong, "\n".join(wrong)
