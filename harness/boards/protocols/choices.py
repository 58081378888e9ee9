"""From a multiple-choice output to a choice, as upstream's medical and general-nlp scripts read it.

Source: adap/flower, benchmarks/flowertune-llm/evaluation/{medical,general-nlp}, `accuracy_compute`
and `format_answer` at 2026-03-29. Restated in our words.
"""

from __future__ import annotations

import re

BOOLEAN_TASKS = frozenset({"pubmedqa"})
"""Tasks answered yes or no; every other one by a letter."""

TASKS = (
    "pubmedqa", "medmcqa", "medqa", "careqa",
    "mmlu_stem", "mmlu_social_sciences", "mmlu_humanities", "mmlu_other",
)  # fmt: skip

ANSWERS = frozenset({"a", "b", "c", "d", "e", "yes", "no"})

_DOUBLED = (("yesyes", "yes"), ("nono", "no"), ("yesno", "yes"), ("noyes", "no"))
"""Run-together answers; the first that occurs is replaced, as upstream's if-chain does."""


def choice_of(output: str, boolean: bool) -> tuple[str, bool]:
    """Return the choice in an output and whether there is one.

    Without one, the choice is the whole output in lower case, which upstream then compares with
    the right answer all the same ("maybe" is right that way).
    """
    whole = output.lower()
    text = whole
    if "\n##" in text:
        text = text.split("\n##")[1].split("\n")[0].strip()
    text = re.sub(" +", " ", re.sub(r"[^a-zA-Z0-9]", " ", text).strip())
    if boolean:
        for doubled, single in _DOUBLED:
            if doubled in text:
                text = text.replace(doubled, single)
                break
    else:
        text = text[:1]
    return (text, True) if text in ANSWERS else (whole, False)


def gold_of(gold: str) -> str:
    """Return the right choice of a row: lower case, cut out of a worked answer when it is one."""
    text = gold.lower()
    if "###" in text and "answer is:" in text:
        return text.split("answer is:")[1].split("###")[0].strip()
    return text
