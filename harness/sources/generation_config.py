"""What a model's generation config asks for beside greedy decoding, the only one there is here.

Most instruct models of the hub ask for sampling. The boards' scripts follow it, and a label that is
drawn depends on the device's random stream, so it can be repeated nowhere. Such a model is decoded
greedily, without its penalties, and its record says so, which makes the run ineligible.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.document import parse_json
from harness.errors import RecordError, SourceError

GENERATION_CONFIG = "generation_config.json"

GREEDY_NOTE = "its generation config sets "
"""How the note of such a model begins."""

PLAIN: Mapping[str, tuple[object, ...]] = {
    "do_sample": (None, False),
    "num_beams": (None, 1),
    "repetition_penalty": (None, 1, 1.0),
    "no_repeat_ngram_size": (None, 0),
    "encoder_repetition_penalty": (None, 1, 1.0),
    "bad_words_ids": (None, []),
    "suppress_tokens": (None, []),
    "begin_suppress_tokens": (None, []),
    "forced_bos_token_id": (None,),
    "forced_eos_token_id": (None,),
    "min_length": (None, 0),
    "min_new_tokens": (None, 0),
    "max_new_tokens": (None,),
    "penalty_alpha": (None, 0, 0.0),
    "sequence_bias": (None,),
}
"""Setting -> the values with which `generate` is plain greedy decoding.
Source: transformers 5.24, `GenerationConfig`."""

TOLD = ("do_sample", "max_new_tokens")
"""What does not matter where upstream's script itself asks for greedy decoding and a number of new
tokens. A model's penalties do: the script follows them."""


def not_greedy(settings: Mapping[str, Any], told_greedy: bool) -> list[str]:
    """Return the settings, as `name=value`, that would sample or change scores.

    Args:
        settings: of a generation config.
        told_greedy: whether upstream's script asks for greedy decoding itself; see `TOLD`.
    """
    return [
        f"{name}={settings[name]!r}"
        for name, allowed in PLAIN.items()
        if not (told_greedy and name in TOLD) and settings.get(name) not in allowed
    ]


def greedy_note(folder: Path, told_greedy: bool) -> str | None:
    """Return what the record of a model in `folder` must say of its decoding, or None.

    Raises:
        SourceError: its generation config is no JSON object.
    """
    path = folder / GENERATION_CONFIG
    if not path.is_file():
        return None
    try:
        settings = parse_json(path.read_text("utf-8"), str(path))
    except (RecordError, UnicodeDecodeError) as error:
        raise SourceError(f"{error}; fetch the model again") from None
    if not isinstance(settings, dict):
        raise SourceError(f"{path}: {type(settings).__name__} instead of an object; fetch it again")
    found = not_greedy(settings, told_greedy)
    if not found:
        return None
    return (
        f"{GREEDY_NOTE}{', '.join(found)}, which the board's script would follow; labels here are"
        " those of plain greedy decoding"
    )
