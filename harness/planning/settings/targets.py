"""The layers that a PEFT method adapts, as people write them: `all-linear`, names in one text."""

from __future__ import annotations

import re

from harness.components import ModelSpec
from harness.recipe import Choice

TARGETS = "target_modules"
"""The parameter's name, peft's word."""

EVERY = ("all-linear", "all_linear", "all")
"""Words for every linear layer of the blocks. Source: peft `INCLUDE_LINEAR_LAYERS_SHORTHAND`; `all`
is what published projects write."""

NAMES_IN_ONE = re.compile(r"[\w.-]+(?:[\s,]+[\w.-]+)*,?")
"""Names in one text; anything else is a pattern of the method's own."""


def with_named_targets(method: Choice, model: ModelSpec) -> Choice:
    """Return a PEFT method with its layers by name, so that a spec says which they are.

    `all-linear` becomes the names of every linear layer of the model's blocks, and names in one
    text, `q_proj v_proj`, a list. What is neither stays as it is.

    Args:
        method: a recipe's.
        model: what it adapts.
    """
    written = method.params.get(TARGETS)
    words = [written] if isinstance(written, str) else written
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        return method
    names = list(words)
    if isinstance(written, str):
        if not NAMES_IN_ONE.fullmatch(written.strip()):
            return method
        names = re.findall(r"[\w.-]+", written)
    if len(names) == 1 and names[0].lower() in EVERY:
        names = list(dict.fromkeys(item.name.rsplit(".", 1)[-1] for item in model.linears()))
    if names == written:
        return method
    return method.with_values(params={**method.params, TARGETS: names})
