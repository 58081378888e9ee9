"""How one row becomes text, and where in it the response begins."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from harness.errors import PluginError
from harness.recipe import Prompt


def check_prompt(prompt: Prompt, recipe: str) -> None:
    """Check a recipe's prompt before anything is loaded.

    Raises:
        PluginError: the marker is not in the template exactly once, the response is not after it,
            or a template names a field that the data has not.
    """
    if prompt.style == "chat":
        _check_fields(prompt.user, {"instruction", "input"}, f"recipe {recipe}: prompt.user")
        return
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


def _check_fields(template: str, allowed: set[str], where: str) -> None:
    try:
        fields = {
            field for _, field, _, _ in string.Formatter().parse(template) if field is not None
        }
    except ValueError as error:
        raise PluginError(f"{where}: {error}; correct it") from None
    if fields - allowed:
        raise PluginError(
            f"{where} names {sorted(fields - allowed)}; expected only {', '.join(sorted(allowed))}"
        )


def render(prompt: Prompt, row: Mapping[str, str], tokenizer: Any = None) -> tuple[str, int]:
    """Return the text of one row, and the index of its first character after the prompt.

    The index comes from the template, so a row whose text contains the marker does no harm.

    Raises:
        PluginError: style chat with a tokenizer that has no chat template.
    """
    if prompt.style == "chat":
        return _chat(prompt, row, tokenizer)
    head, tail = prompt.template.split(prompt.response_marker)
    before = head.format(**row) + prompt.response_marker
    return before + tail.format(**row), len(before)


def _chat(prompt: Prompt, row: Mapping[str, str], tokenizer: Any) -> tuple[str, int]:
    if not getattr(tokenizer, "chat_template", None):
        raise PluginError(
            "prompt.style is chat, but the model's tokenizer has no chat template; use style text"
        )
    messages = [{"role": "user", "content": prompt.user.format(**row)}]
    if prompt.system:
        messages.insert(0, {"role": "system", "content": prompt.system})
    before = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return before + row["output"], len(before)
