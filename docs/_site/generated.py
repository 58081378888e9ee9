"""Pages of the documentation that follow from the code: commands, reference, errors, notebook.

Nothing here needs mkdocs: `hooks.py` puts the pages into the site, and a light test reads them.
"""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "python.ipynb"

REFERENCE = {
    "reference/python.md": ("Python", ["harness.interface", "harness.pipeline.events"]),
    "reference/recipes.md": ("Recipes", ["harness.recipe"]),
    "reference/components.md": (
        "Components",
        [
            "harness.components.model",
            "harness.components.peft_method",
            "harness.components.strategy",
            "harness.components.extensions",
            "harness.components.families",
        ],
    ),
    "reference/hooks.md": ("Hooks", ["harness.plugins.hookspecs", "harness.testing.check"]),
    "reference/records.md": (
        "Records",
        ["harness.spec", "harness.record.result", "harness.record.federation"],
    ),
    "reference/boards.md": ("Boards", ["harness.boards.protocol", "harness.boards.challenge"]),
}
"""Page -> (title, modules whose docstrings it shows)."""


def pages() -> dict[str, str]:
    """Return every generated page, by its path in the documentation."""
    found = {
        path: f"# {title}\n\n" + "\n\n".join(f"::: {module}" for module in modules) + "\n"
        for path, (title, modules) in REFERENCE.items()
    }
    return found | {
        "reference/commands.md": commands(),
        "reference/families.md": families(),
        "python.md": notebook(),
        "troubleshooting.md": troubleshooting(),
    }


def commands() -> str:
    """Return what `--help` says of every command."""
    from harness.cli import cli

    context = click.Context(cli, info_name="harness")
    lines = ["# Commands", "", "What `harness COMMAND --help` says.", ""]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        own = click.Context(command, info_name=name, parent=context, max_content_width=100)
        lines += [f"## harness {name}", "", "```text", command.get_help(own), "```", ""]
    return "\n".join(lines)


def families() -> str:
    """Return the families of models that are known, with what a target module may be called."""
    from harness.components.families import FAMILIES

    lines = [
        "# Model families",
        "",
        "A recipe's model is of one of these, by the `model_type` of its config.json; `harness",
        "model HUB_ID` prints the rest. Target modules have the names of their family.",
        "",
        "| family | linear layers of a block | choices of config.json | code of its own |",
        "|---|---|---|---|",
    ]
    for name, family in FAMILIES.items():
        layers = ", ".join(f"`{item.name.rpartition('.')[2]}`" for item in family.projections)
        keys = ", ".join(f"`{key}`" for key in family.keys) or "-"
        lines.append(f"| `{name}` | {layers} | {keys} | {'yes' if family.own_code else 'no'} |")
    return "\n".join(lines) + "\n"


def notebook() -> str:
    """Return the notebook as a page, with what its cells wrote, where it was kept."""
    lines = []
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"]).strip()
        lines.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", []):
            shown = output.get("text") or output.get("data", {}).get("text/plain", [])
            lines.append(f"```text\n{''.join(shown).strip()}\n```")
    return "\n\n".join(lines) + "\n"


def troubleshooting() -> str:
    """Return every message that the harness can end with, by exit code, out of the code itself."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((ROOT / "harness").rglob("*.py")):
        room = path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")
        for kind, message in _messages(ast.parse(path.read_text(encoding="utf-8"))):
            if message not in found[kind][room]:
                found[kind][room].append(message)
    lines = [
        "# Troubleshooting",
        "",
        "A command that fails ends with one line, `error: ...`, and an exit code. Search this page",
        "for words of your line; `...` stands for what was found. Before a long run, `harness",
        "doctor` says what this machine lacks. A traceback is a bug of the harness: report it.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        "| 1 | checked and found wanting (`verify`, `reproduce`, `--check`) |",
    ]
    errors = _errors()
    lines += [f"| {code} | {meaning} |" for code, meaning in _by_code(errors).items()]
    lines += ["| 130 | interrupted; `harness run --resume DIR` goes on |", ""]
    for name, (code, meaning) in errors.items():
        lines += [f"## {name}, exit code {code}", "", meaning, ""]
        for room, messages in sorted(found.get(name, {}).items()):
            lines += [f"### {room}: {name}", ""]
            lines += [f"- `{message.replace('`', chr(39))}`" for message in messages] + [""]
    return "\n".join(lines)


def _errors() -> dict[str, tuple[int, str]]:
    """Return every error's exit code and meaning, in the order of `harness/errors.py`."""
    found: dict[str, tuple[int, str]] = {}
    for node in ast.parse((ROOT / "harness" / "errors.py").read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef) or node.name == "HarnessError":
            continue
        codes = [
            item.value.value
            for item in node.body
            if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant)
        ]
        parent = getattr(node.bases[0], "id", "")
        code = codes[0] if codes else found[parent][0]
        found[node.name] = (int(str(code)), " ".join((ast.get_docstring(node) or "").split()))
    return found


def _by_code(errors: dict[str, tuple[int, str]]) -> dict[int, str]:
    joined: dict[int, list[str]] = defaultdict(list)
    for code, meaning in errors.values():
        joined[code].append(meaning)
    return {code: " ".join(texts) for code, texts in sorted(joined.items())}


def _messages(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (name of the error, its message with `...` for what is filled in)."""
    for node in ast.walk(tree):
        raised = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(raised, ast.Call) and isinstance(raised.func, ast.Name) and raised.args:
            text = " ".join(_text(raised.args[0]).split())
            if len(text.replace("...", "")) > 10:
                yield raised.func.id, text


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(item) for item in node.values)
    return "..."
