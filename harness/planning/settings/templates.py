"""What a recipe's templates and patterns may hold: format strings over the columns of a row."""

from __future__ import annotations

import re
import string
import warnings
from collections.abc import Iterator

from harness.boards.shingles import first_row_in
from harness.recipe import DataSpec, Prompt, TrainSpec

COLUMNS = ("instruction", "input", "output")
"""Columns of a row of the training set."""

PATTERN_LANGUAGE = (
    "alternatives without groups, each with one repetition at most, which is bounded or stands"
    " behind ^: ^first.*last$|other"
)
MAX_PATTERN = 1_000
"""Longest pattern of a filter, in characters."""
MAX_REPEATS = 100
"""Most repetitions of one thing in a pattern that is not tied to the start."""
TOKEN = re.compile(r"\\.|\[\^?\]?(?:[^\]\\]|\\.)*\]|\{[0-9]*,?[0-9]*\}|.", re.DOTALL)
"""One piece of a regular expression: an escape, a set of characters, a count, or a character."""
COUNTED = re.compile(r"\{(?P<least>[0-9]*)(?P<comma>,?)(?P<most>[0-9]*)\}")

CUT = re.compile(r"(\.[0-9]{1,4})?")
"""The one thing that a field of a template may say of its form: `{input:.500}`, its beginning."""

OURS = ("conversation", "messages", "tokenize", "add_generation_prompt", "return_dict", "tools")
"""What a chat template is given by the harness, or would be given something else by."""

Fault = tuple[str, str]
"""(found, expected)"""


def prompt_faults(prompt: Prompt) -> Iterator[Fault]:
    """Yield why nothing, or the wrong tokens, would be trained on with this prompt."""
    if prompt.style == "chat":
        yield from _fields("prompt.user", prompt.user, {"instruction", "input"})
        for name in prompt.template_arguments:
            if name in OURS or not name.isidentifier():
                yield (
                    f"prompt.template_arguments has {name!r}",
                    "an argument of the chat template, as enable_thinking",
                )
        return
    for name in ("template_arguments", "system", "user"):
        if getattr(prompt, name) != Prompt.model_fields[name].default:
            yield f"prompt.{name} with prompt.style text", "prompt.style chat"
    count = prompt.template.count(prompt.response_marker) if prompt.response_marker else 0
    if count != 1:
        yield (
            f"prompt.response_marker {prompt.response_marker!r} occurs {count} times in"
            " prompt.template",
            "exactly once, before {output}; else no label or the wrong ones would train",
        )
        return
    bad = list(_fields("prompt.template", prompt.template, set(COLUMNS)))
    yield from bad
    head, _, tail = prompt.template.partition(prompt.response_marker)
    if not bad and (_names(tail) != {"output"} or "output" in _names(head)):
        yield (
            "prompt.template does not hold {output}, and nothing else of the row, after its marker",
            "the answer follows the marker",
        )


def data_faults(data: DataSpec) -> Iterator[Fault]:
    """Yield why rows could not be rewritten or filtered."""
    for column in COLUMNS:
        yield from _fields(f"data.{column}", getattr(data, column), set(COLUMNS))
    for item in data.filters:
        fault = fault_of_pattern(item.pattern)
        if fault is not None:
            yield f"data.filters: {item.pattern!r:.80}: {fault}", PATTERN_LANGUAGE


def fault_of_pattern(pattern: str) -> str | None:
    """Say why a pattern is none that is matched in time linear in the text, or None.

    `re` tries one way after another: `(a|a)+$` takes twice as long for every letter more, `a*a*$`
    and `a*b` grow with the square. What is left when groups are left out and an alternative repeats
    one thing at most, behind its start or a bounded number of times, has one way at each letter.
    """
    if len(pattern) > MAX_PATTERN:
        return f"{len(pattern)} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        return str(error)
    repeats, begins = 0, True
    anchored = False
    for token in TOKEN.findall(pattern):
        if token == "|":
            repeats, begins, anchored = 0, True, False
            continue
        if token in ("(", ")"):
            return "a group"
        if token[0] == "\\" and token[1].isdigit():
            return "a reference to a group"
        counted = COUNTED.fullmatch(token)
        if counted or token in ("*", "+", "?"):
            repeats += 1
            most = "1" if token == "?" else _most(counted) if counted else ""
            if repeats > 1:
                return "two repetitions in one alternative"
            if not most and not anchored:
                return f"{token} without a ^ before it"
            if most and int(most) > MAX_REPEATS:
                return f"{most} repetitions"
        anchored = anchored or (begins and token in ("^", "\\A"))
        begins = False
    return None


def _most(counted: re.Match[str]) -> str:
    return counted["most"] if counted["comma"] else counted["least"]


def contamination_faults(board_id: str, train: TrainSpec) -> Iterator[Fault]:
    """Yield the texts of a recipe that hold rows of the evaluation: they would be trained on.

    Args:
        board_id: whose evaluation rows.
        train: the recipe's training.
    """
    for place, text in texts_of(train):
        row = first_row_in(board_id, text)
        if row is not None:
            yield (
                f"{place} holds words of an evaluation row: {row[:80]!r}",
                "a text of your own: whoever trains on the evaluation measures nothing",
            )


def texts_of(train: TrainSpec) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of everything that a recipe may write into a training example."""
    prompt, data = train.prompt, train.data
    for name in ("template", "response_marker", "system", "user"):
        yield f"prompt.{name}", getattr(prompt, name)
    for name in COLUMNS:
        yield f"data.{name}", getattr(data, name)
    for index, item in enumerate(data.filters):
        # An escape stands for a space or a stop between two words.
        yield f"data.filters[{index}]", re.sub(r"\\.", " ", item.pattern)
    # A row may be cut into many short entries: they are looked at together too.
    yield "data.output_map", " ".join(data.output_map)
    yield "data.output_map", " ".join(data.output_map.values())


def _fields(where: str, template: str, allowed: set[str]) -> Iterator[Fault]:
    expected = f"a format string over {', '.join(sorted(allowed))}; a brace is written twice"
    try:
        fields = [part for part in string.Formatter().parse(template) if part[1] is not None]
        unknown = {name for _, name, _, _ in fields if name is not None} - allowed
    except ValueError as error:
        yield f"{where}: {error}", expected
        return
    # A width such as {input:>3000000000} is made of nothing; `:d` fails only when it is used.
    for _, name, form, conversion in fields:
        if conversion or not CUT.fullmatch(form or ""):
            field = f"{name}!{conversion}" if conversion else f"{name}:{form}"
            yield f"{where} holds {{{field:.60}}}", "a field alone, or its beginning: {input:.500}"
            return
    if unknown:
        yield f"{where} names {', '.join(sorted(unknown)) or 'a field without a name'}", expected


def _names(template: str) -> set[str]:
    parsed = string.Formatter().parse(template)
    return {name for _, name, _, _ in parsed if name is not None}
