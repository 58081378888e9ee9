"""A model's tokenizer: is it there, can it be read, has the model a row for each token."""

from __future__ import annotations

from pathlib import Path

from harness.components import ModelSpec
from harness.errors import SourceError

TOKENIZER = "tokenizer.json"
VOCABULARIES = (TOKENIZER, "*.model", "vocab.*", "*.tiktoken")
"""Files of which a model's folder has one at least: without any, transformers makes a tokenizer
that knows no token, and says nothing."""


def missing_vocabulary(folder: Path) -> str | None:
    """Return the name of the file that a folder without a vocabulary lacks, or None."""
    there = any(path.is_file() for pattern in VOCABULARIES for path in folder.glob(pattern))
    return None if there else TOKENIZER


def refuse_other_tokenizer(model: ModelSpec, folder: Path) -> None:
    """Check that a tokenizer can be read and gives no token that the model has no row for.

    Tokens that were added to its vocabulary are left out: a text need not hold any.

    Args:
        model: the spec of the run.
        folder: the model's folder; where it has no `tokenizer.json`, nothing is checked.

    Raises:
        SourceError: the file is damaged, or its vocabulary is larger than the model's.
    """
    path = folder / TOKENIZER
    if not path.is_file():
        return
    from tokenizers import Tokenizer

    try:
        tokens = Tokenizer.from_file(str(path)).get_vocab_size(with_added_tokens=False)
    except Exception as error:  # the library raises nothing narrower
        raise SourceError(f"{path}: no tokenizer ({error}); fetch the model again") from None
    if tokens > model.vocab:
        raise SourceError(
            f"{path}: {tokens} tokens, {model.hub_id} has rows for {model.vocab}: this is another"
            " model's tokenizer; fetch the model again"
        )
