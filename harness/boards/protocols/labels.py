"""From a decoded text to a label, exactly as upstream's finance script reads it.

Source: adap/flower, benchmarks/flowertune-llm/evaluation/finance, `inference` and `change_target`
at 2026-03-29. Restated in our words; `docs/evaluation.md` lists what follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence

NO_ANSWER = "None"
"""What upstream puts in place of the answer of a text without the marker."""

SPELLINGS = {
    "positive": ("positive", "Positive"),
    "negative": ("negative", "Negative"),
}
"""Label -> spellings that count, wherever they stand; looked for in this order."""

DEFAULT = "neutral"
"""Label of every other text, the empty one included."""


def answer_of(text: str, marker: str) -> str:
    """Return what upstream takes for the answer in a whole decoded text, prompt included.

    That is what stands between the first and the second `marker`; `NO_ANSWER` without any.
    """
    parts = text.split(marker, 2)
    return parts[1] if len(parts) > 1 else NO_ANSWER


def label_of(answer: str) -> str:
    """Return the label of an answer: the first of `SPELLINGS` found anywhere in it."""
    for label, spellings in SPELLINGS.items():
        if any(word in answer for word in spellings):
            return label
    return DEFAULT


def is_decided(text: str, marker: str) -> bool:
    """Whether no continuation of `text` can change its label any more.

    Either "positive" is in the answer (it is looked for first, and an answer only grows), or the
    answer is closed by a second marker. One character must follow that marker: tokenizers that
    tidy spaces may still take the marker's own space back when a full stop comes next.
    """
    parts = text.split(marker, 2)
    if len(parts) < 2:
        return False
    if any(word in parts[1] for word in SPELLINGS["positive"]):
        return True
    return len(parts) == 3 and parts[2] != ""


def has_label_word(answer: str, labels: Sequence[str]) -> bool:
    """Whether an answer names any label, "neutral" included, in a spelling that counts."""
    return any(word in answer for label in labels for word in (label, label.capitalize()))
