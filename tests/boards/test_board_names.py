"""No board, evaluation set or label is named in the code outside of `harness/boards`.

What is looked for comes from the boards' own data. Docstrings and comments may cite a board: where
a default comes from, or on which rows something was measured.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness
from harness.boards.board import board_names, load_board
from harness.boards.challenge import LabelEvaluation, challenge_names, load_challenge
from harness.boards.registry import reader_of

ROOT = Path(harness.__file__).parent

EVERYDAY = {"code"}
"""Ids that every program says for other reasons; looked for as a whole literal only."""


def labels() -> set[str]:
    """Every answer of every board that can be run: common words, looked for as whole literals."""
    found: set[str] = set()
    for name in challenge_names():
        reader = reader_of(name)
        if not reader.rederivable:
            continue  # a verdict of an execution, which is no board's own word
        for item in load_challenge(name).evaluation:
            found |= set(reader.answers(item.task) or ())
    return found


def headings() -> set[str]:
    """Names of evaluation sets in tables, as they are written there."""
    return {text for name in board_names() for text in load_board(name).headings.values()}


def markers() -> set[str]:
    """Text before an answer, in the prompts of boards that have one."""
    rules = [load_challenge(name).protocol for name in challenge_names()]
    return {item.answer_marker for item in rules if isinstance(item, LabelEvaluation)}


def names() -> set[str]:
    """Ids, evaluation sets and data sets of all boards, looked for anywhere in a text."""
    boards = [load_board(name) for name in board_names()]
    words = {board.id for board in boards}
    for board in boards:
        words |= {*board.rows, *board.unranked, *board.datasets}
    for name in challenge_names():
        challenge = load_challenge(name)
        words |= {item.dataset for item in challenge.evaluation} | {challenge.protocol.id}
    return {word.lower() for word in words}


LABELS = labels()
WHOLE = LABELS | headings() | EVERYDAY
ANYWHERE = re.compile(
    r"(?<![\w-])("
    + "|".join(re.escape(word) for word in sorted(names() - EVERYDAY))
    + r")(?![\w-])"
)


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield every text in the code that is no docstring: of a module, a class or a field."""
    documentation = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node not in documentation
        ):
            yield node.value


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Yield the words of every name in the code."""
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "module", "asname"):
            word = getattr(node, field, None)
            if isinstance(word, str):
                yield from re.split(r"[_.]", word.lower())
                yield word.lower()


def named_in(path: Path) -> set[str]:
    """Return the names of boards' things that a file of code holds."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        quoted = set(re.findall(r"[\"'`]([^\"'`\n]*)[\"'`]", text))
        return set(ANYWHERE.findall(text.lower())) | (WHOLE & quoted)
    tree, found = ast.parse(text), set()
    for literal in texts(tree):
        found |= set(ANYWHERE.findall(literal.lower())) | ({literal.strip()} & WHOLE)
        found |= {marker for marker in markers() if marker in literal}
        # Two labels in one text are a list of them: "negative/neutral/positive".
        listed = set(re.findall(r"[\w-]+", literal.lower())) & LABELS
        found |= listed if len(listed) > 1 else set()
    for word in identifiers(tree):
        found |= set(ANYWHERE.findall(word))
    return found


def files() -> list[Path]:
    """Return the files of the package, in rooms other than the boards' own."""
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and path.suffix
        in (".py", ".html", ".js", ".css", ".toml", ".yaml", ".jinja", ".json", ".md")
        and "boards" not in path.relative_to(ROOT).parts
    ]


def test_no_board_is_named_outside_of_its_folder() -> None:
    found = {path.relative_to(ROOT).as_posix(): named_in(path) for path in files()}
    assert len(found) > 200
    wrong = {name: sorted(words) for name, words in found.items() if words}
    assert wrong == {}


@pytest.mark.parametrize("name", board_names())
def test_a_board_s_folder_is_where_it_is_named(name: str) -> None:
    """The look-out works: it finds every board in its own folder."""
    folder = ROOT / "boards" / name.replace("-", "_")
    words = {word for path in folder.glob("board.toml") for word in named_in(path)}
    assert set(load_board(name).rows) <= words


@pytest.mark.parametrize(
    "code",
    [
        'x = "{id}"', 'x = "the {task} set"', "def f_{task}(): ...", "x = y.{task}",
        'x = ["{label}"]', 'x = f"{label}/{other} {{y}}"', "import harness.boards.{id}.rows",
        "from harness.boards.{id} import rows", "f({task}=1)",
    ],
)  # fmt: skip
def test_a_name_in_code_is_seen(code: str, tmp_path: Path) -> None:
    name = next(item for item in challenge_names() if item not in EVERYDAY)
    label, other = sorted(labels())[:2]
    task = load_challenge(name).evaluation[0].task
    path = tmp_path / "module.py"
    path.write_text(code.format(id=name, task=task, label=label, other=other))
    assert named_in(path)


def test_a_docstring_may_cite_a_board(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(f'"""Measured on {challenge_names()[0]}."""\nx = "two positive sizes"\n')
    assert named_in(path) == set()
