"""The prompt: how one row becomes text, and where in it the response begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import PluginError
from harness.planning.settings.templates import prompt_faults
from harness.recipe import Prompt


def check_prompt(prompt: Prompt, recipe: str) -> None:
    """Check a prompt before anything is loaded, in whatever process it is used.

    Raises:
        PluginError: the prompt breaks a rule of `harness.planning.settings.templates`; it is named.
    """
    for found, expected in prompt_faults(prompt):
        raise PluginError(f"recipe {recipe}: {found}; expected {expected}")


def render(prompt: Prompt, row: Mapping[str, str], tokenizer: Any = None) -> tuple[str, int]:
    """Return the text of one row, and the index of its first character after the prompt.

    The index comes from the template, so a row whose text contains the marker does no harm.

    Args:
        prompt: the recipe's prompt, checked.
        row: column -> text.
        tokenizer: used in style chat only, for its chat template.

    Raises:
        PluginError: the style is chat, and the tokenizer has no chat template.
    """
    if prompt.style == "chat":
        return _chat(prompt, row, tokenizer)
    head, tail = prompt.template.split(prompt.response_marker)
    # Formatted in two halves: braces in a row's text are its own, and its length is what counts.
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
