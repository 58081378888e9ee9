"""Settings in the sentences of a README: the template's own, and how people write theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harness.claims.importing.readme.labels import value_of
from harness.claims.importing.readme.markdown import MARKS
from harness.claims.importing.readme.template_values import without_folders

SENTENCES = {
    "rounds": re.compile(r"for a total of \**`?([0-9]{1,6})`?\** rounds", re.IGNORECASE),
    "fraction": re.compile(r"sample a fraction \(`?(0?\.[0-9]{1,6}|1(?:\.0)?)`?\)", re.IGNORECASE),
    "num_supernodes": re.compile(r"divided into \**`?([0-9]{1,6})`?\** partitions", re.IGNORECASE),
}
"""Sentences of the template's README. Source: examples/flowertune-llm-*/README.md."""
PRETRAINED = re.compile(
    r"pre-?trained[^\n.]{0,40}?\((?:https?://huggingface\.co/)?([\w.-]{1,80}/[\w.-]{1,80})\)",
    re.IGNORECASE,
)
HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t].*$", re.MULTILINE)
COUNT = r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,6})(?![\w.,/%-]*[0-9%])"
SAID = r"[ \t]+(?:(?:of|to|is|was|set|equal|at)[ \t]+){0,3}"
PROSE = {
    "rank": re.compile(
        rf"(?<![\w-])(?:rank(?:[ \t]*\(?r\)?)?){SAID}{COUNT}"
        r"|(?<![\w-])rank[- ]([0-9]{1,4})(?![\w.])"
        r"|(?<![\w.-])([0-9]{1,4})-rank(?![\w-])"
    ),
    "alpha": re.compile(rf"(?<![\w-])alpha{SAID}{COUNT}", re.IGNORECASE),
    "rounds": re.compile(
        rf"(?<![\w-])(?:for|over|in|of|ran|took|with)[ \t]+(?:a total of[ \t]+)?{COUNT}[ \t]+"
        r"(?:(?:federated|fl|flower|server|communication|training|learning|global)[ \t]+){0,2}"
        r"rounds",
        re.IGNORECASE,
    ),
    "fraction": re.compile(
        r"(?:sampl|select|participat)\w{0,8}[ \t]+(?:a[ \t]+)?(?:fraction[ \t]+of[ \t]+)?"
        r"([0-9]{1,3})[ \t]?%[ \t]+of[ \t]+(?:the[ \t]+|all[ \t]+)?(?:clients|nodes|supernodes)",
        re.IGNORECASE,
    ),
    "num_supernodes": re.compile(
        rf"(?<![\w.,-]){COUNT}[ \t]+supernodes(?![ \t]+(?:per|a|are sampled|in each)\b)",
        re.IGNORECASE,
    ),
}
"""Sentences of participants: `DoRA of rank 16 and alpha 32, trained for 20 federated rounds`."""
ABOUT = {
    "rank": re.compile(r"lora\b|dora\b|adapter|peft|alpha", re.IGNORECASE),
    "rounds": re.compile(r"\b(?:train|fine-?tun|federat|ran\b|run\b)", re.IGNORECASE),
}
"""Setting -> what its sentence also says: not every rank is an adapter's."""
OTHER_THAN_OURS = re.compile(
    r"\b(?:ablation|after|alternative|another|baseline|best|board|can\b|checkpoint|could|compared?"
    r"|comparison|debug|default|different|each(?! (?:client|node|supernode)\b)|e\.g|every|example"
    r"|first|future|if\b|increas|instance|instead|larger|last|leaderboard|loss|may\b|might|more|needs|official|original|other|plan"
    r"|previous|quick|requires|should|smaller|smoke|takes|template|test|than|tried|try|until|upstream"
    r"|versus|vs|warm-?up|would)|\?",
    re.IGNORECASE,
)
"""What a sentence says that is not, or not only, about the run's settings."""


def in_sentences(prose: str) -> Iterator[tuple[str, Any]]:
    """Yield (setting, value) of each sentence that states one of the run."""
    for field, expression in SENTENCES.items():
        for match in expression.finditer(prose):
            yield field, float(match.group(1)) if field == "fraction" else int(match.group(1))
    for match in PRETRAINED.finditer(prose):
        if not match.group(1).startswith("datasets/"):
            yield "model", without_folders(match.group(1))
    yield from _in_prose(prose)


def _in_prose(prose: str) -> Iterator[tuple[str, Any]]:
    """Yield what sentences say of the run; those that compare it with something are left out."""
    paragraphs = re.split(r"\n[ \t]*(?:\n|(?=[-*+|>]))", HEADING.sub("\n", prose))
    for paragraph in paragraphs:
        line = " ".join(MARKS.sub("", paragraph).split())
        if paragraph.lstrip().startswith("|") or len(line) > 5000:
            continue
        for sentence in re.split(r"(?<=[.!?;])[ ]+(?=[A-Z])", line):
            if not OTHER_THAN_OURS.search(sentence):
                yield from _said(sentence)


def _said(sentence: str) -> Iterator[tuple[str, Any]]:
    for field, expression in PROSE.items():
        if field in ABOUT and not ABOUT[field].search(sentence):
            continue
        for match in expression.finditer(sentence):
            value = value_of(next(filter(None, match.groups())), whole=True)
            yield field, value / 100 if field == "fraction" else int(value)
