"""The prompt: how one row becomes text, and where in it the response begins."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jinja2 import TemplateError

from harness.errors import PluginError
from harness.library_internals.transformers import chat_templates_on
from harness.planning.settings.templates import prompt_faults
from harness.recipe import Prompt

TODAY = datetime(2024, 7, 26)
"""The day that chat templates are told it is, so that a run has the same text whenever it is
repeated. Source: the day that Llama 3.2's template writes where it is told none."""


def check_prompt(prompt: Prompt, recipe: str) -> None:
    """Check a prompt before anything is loaded, in whatever process it is used.

    Raises:
        PluginError: the prompt breaks a rule of `harness.planning.settings.templates`; it is named.
    """
    for found, expected in prompt_faults(prompt):
        raise PluginError(f"recipe {recipe}: {found}; expected {expected}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One row as text."""

    text: str
    response: int
    """Index of the first character after the prompt."""
    output: int
    """Index of the first character of the row's output."""


def render(prompt: Prompt, row: Mapping[str, str], tokenizer: Any = None) -> Rendered:
    """Return the text of one row, with where in it the response and the output begin.

    The indices come from the template, so a row whose text contains the marker does no harm.

    Args:
        prompt: the recipe's prompt, checked.
        row: column -> text.
        tokenizer: used in style chat only, for its chat template.

    Raises:
        PluginError: the style is chat, and the tokenizer has no chat template, or one that refuses
            the messages.
    """
    if prompt.style == "chat":
        return _chat(prompt, row, tokenizer)
    head, tail = prompt.template.split(prompt.response_marker)
    # Formatted in two halves: braces in a row's text are its own, and its length is what counts.
    before = head.format(**row) + prompt.response_marker
    between, *_ = next(iter(string.Formatter().parse(tail)))
    return Rendered(before + tail.format(**row), len(before), len(before) + len(between))


def check_tokenizer(prompt: Prompt, tokenizer: Any, rows: int) -> None:
    """Check that a prompt can be made with a tokenizer, before the first row is.

    Args:
        prompt: the recipe's prompt, checked.
        tokenizer: the model's.
        rows: how many tokens the model has a row for.

    Raises:
        PluginError: the style is chat, and there is no chat template, it refuses the messages, or
            it does not read an argument that the recipe gives it; or the prompt has a token that
            the model has no row for.
    """
    made = render(prompt, {"instruction": "x", "input": "y", "output": "z"}, tokenizer)
    eos = tokenizer.eos_token_id if prompt.append_eos else None
    if (last := max(*tokenizer(made.text)["input_ids"], eos or 0)) >= rows:
        raise PluginError(
            f"the prompt has {tokenizer.convert_ids_to_tokens(last)!r}, token {last}, and the model"
            f" has rows for {rows}: that token was added without training; use prompt.style text"
            " and prompt.append_eos false, or a model that has it"
        )
    for name in prompt.template_arguments:
        if not re.search(rf"\b{re.escape(name)}\b", str(tokenizer.chat_template)):
            raise PluginError(
                f"prompt.template_arguments has {name!r}, which the model's chat template does not"
                " read: it would change nothing; leave it out"
            )


def _chat(prompt: Prompt, row: Mapping[str, str], tokenizer: Any) -> Rendered:
    if not getattr(tokenizer, "chat_template", None):
        raise PluginError(
            "prompt.style is chat, but the model's tokenizer has no chat template; use style text"
        )
    messages = [{"role": "user", "content": prompt.user.format(**row)}]
    if prompt.system:
        messages.insert(0, {"role": "system", "content": prompt.system})
    try:
        with chat_templates_on(TODAY):
            before = tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **prompt.template_arguments
            )
    except TemplateError as error:
        system = "leave prompt.system empty and put its text into prompt.user"
        hint = system if prompt.system else "use prompt.style text"
        raise PluginError(
            f"the model's chat template refuses the messages: {str(error)[:200]}; {hint}"
        ) from None
    return Rendered(before + row["output"], len(before), len(before))
