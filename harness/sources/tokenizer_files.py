"""A model's tokenizer: is it there, can it be read, has the model a row for each token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.components import ModelSpec
from harness.document import read_json
from harness.errors import PluginError, SourceError
from harness.recipe import Prompt

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
VOCABULARIES = (TOKENIZER, "*.model", "vocab.*", "*.tiktoken")
"""Files of which a model's folder has one at least: without any, transformers makes a tokenizer
that knows no token, and says nothing."""


def missing_vocabulary(folder: Path) -> str | None:
    """Return the name of the file that a folder without a vocabulary lacks, or None."""
    there = any(path.is_file() for pattern in VOCABULARIES for path in folder.glob(pattern))
    return None if there else TOKENIZER


def refuse_other_tokenizer(model: ModelSpec, folder: Path) -> None:
    """Check that a tokenizer can be read and gives no token that the model has no row for.

    Of the tokens that were added to its vocabulary only the pad token counts: a text need not hold
    another, and the official evaluation puts that one behind every shorter row.

    Args:
        model: the spec of the run.
        folder: the model's folder; where it has no `tokenizer.json`, nothing is checked.

    Raises:
        SourceError: the file is damaged, or its vocabulary is larger than the model's, or its pad
            token lies beyond that.
    """
    path = folder / TOKENIZER
    if not path.is_file():
        return
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise SourceError(f"{path}: no tokenizer ({error}); fetch the model again") from None
    tokens = tokenizer.get_vocab_size(with_added_tokens=False)
    if tokens > model.vocab:
        raise SourceError(
            f"{path}: {tokens} tokens, {model.hub_id} has rows for {model.vocab}: this is another"
            " model's tokenizer; fetch the model again"
        )
    pad = _config(folder).get("pad_token")
    pad = pad.get("content") if isinstance(pad, dict) else pad
    if not isinstance(pad, str) or not pad:
        return
    place = tokenizer.token_to_id(pad)
    place = tokenizer.get_vocab_size() if place is None else place  # added when it is loaded
    refuse_pad_without_row(model, folder / TOKENIZER_CONFIG, pad, place)


def refuse_pad_without_row(model: ModelSpec, where: Path, pad: str, place: int) -> None:
    """Check that the model has a row for the pad token.

    Args:
        model: the spec of the run.
        where: what says which token it is.
        pad: the token.
        place: its number.

    Raises:
        SourceError: the model has none.
    """
    if place >= model.vocab:
        raise SourceError(
            f"{where}: the pad token {pad!r} is token {place}, {model.hub_id} has rows for"
            f" {model.vocab}, and its evaluation would pad with it; take a model that has a row"
            " for it"
        )


def refuse_no_chat_template(prompt: Prompt, folder: Path) -> None:
    """Check that a model's folder has the chat template that a prompt asks for.

    Args:
        prompt: the recipe's.
        folder: the model's folder.

    Raises:
        PluginError: its style is chat, and none is there.
    """
    there = (folder / "chat_template.jinja").is_file() or _config(folder).get("chat_template")
    if prompt.style == "chat" and not there:
        raise PluginError(
            f"prompt.style is chat, but {folder} has no chat template; use style text"
        )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / TOKENIZER_CONFIG
    found = read_json(path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}
