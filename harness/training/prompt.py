"""How one row becomes text, and where in it the response begins."""

from __future__ import annotations

import string
from collections.abc import Mapping

from harness.errors import PluginError
from harness.recipe import Prompt


def check_prompt(prompt: Prompt, recipe: str) -> None:
    """Check a recipe's prompt before anything is loaded.

    Raises:
        PluginError: the marker is not in the template exactly once, the response is not after it,
            or the template names a field that the data has not.
    """
    count = prompt.template.count(prompt.response_marker) if prompt.response_marker else 0
    if count != 1:
        raise PluginError(
            f"recipe {recipe}: the response marker {prompt.response_marker!r} occurs {count} times"
            " in its prompt template; expected once, or nothing says which tokens to train on"
        )
    try:
        head, tail = (
            {field for _, field, _, _ in string.Formatter().parse(part) if field is not None}
            for part in prompt.template.split(prompt.response_marker)
        )
    except ValueError as error:
        raise PluginError(f"recipe {recipe}: prompt template: {error}; correct it") from None
    unknown = (head | tail) - {"instruction", "input", "output"}
    if unknown:
        raise PluginError(
            f"recipe {recipe}: its prompt template names {sorted(unknown)};"
            " expected only instruction, input and output"
        )
    if tail != {"output"} or "output" in head:
        raise PluginError(
            f"recipe {recipe}: its prompt template must hold {{output}} after the response marker"
            f" {prompt.response_marker!r}, and nothing else of the row there"
        )


def render(prompt: Prompt, row: Mapping[str, str]) -> tuple[str, int]:
    """Return the text of one row, and the index of its first character after the marker.

    The index comes from the template, so a row whose text contains the marker does no harm.
    """
    head, tail = prompt.template.split(prompt.response_marker)
    before = head.format(**row) + prompt.response_marker
    return before + tail.format(**row), len(before)
