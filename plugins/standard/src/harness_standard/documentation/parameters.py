"""What each parameter of a component means, from the docstrings under its fields."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any

from harness.components import PeftMethod, StrategyMethod
from harness.document import Document
from harness_standard.documentation.markdown import table


def parameters(items: Sequence[PeftMethod | StrategyMethod]) -> str:
    """Return one table of parameters for each document that components share."""
    return "".join(_parameters(group) for group in _distinct(items))


def _parameters(group: tuple[str, type[Document]]) -> str:
    names, kind = group
    if not kind.model_fields:
        return f"\n**{names}**: none.\n"
    rows = []
    texts = _attribute_docstrings(kind)
    for name, info in kind.model_fields.items():
        default = "required" if info.is_required() else f"`{_plain(info.default)}`"
        text = " ".join(texts.get(name, "").split()).replace("|", "\\|")
        rows.append([f"`{name}`", default, text])
    return f"\n**{names}**\n\n" + table(["parameter", "default", "meaning"], rows)


def _attribute_docstrings(kind: type[Document]) -> dict[str, str]:
    """The strings under the fields of a document and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not issubclass(base, Document) or base is Document:
            continue
        [tree] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for field, after in pairwise(tree.body):
            text = after.value if isinstance(after, ast.Expr) else None
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Constant):
                found[ast.unparse(field.target)] = str(text.value)
    return found


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _distinct(
    items: Sequence[PeftMethod | StrategyMethod],
) -> Iterable[tuple[str, type[Document]]]:
    """Components that share one document are described together."""
    ordered = sorted(items, key=lambda item: [other.params for other in items].index(item.params))
    for kind, group in groupby(ordered, key=lambda item: item.params):
        yield ", ".join(f"`{item.name}`" for item in group), kind
