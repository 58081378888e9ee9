"""`about.json`: who submitted a run, under which licence, where its parts lie, what was typed."""

from __future__ import annotations

import re
import shlex
import unicodedata
from itertools import groupby
from typing import Annotated, Literal
from urllib.parse import urlsplit

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from harness.document import Document

MAX_LINK = 300
"""Longest link in characters."""
MAX_ARGUMENTS = 200
"""Most arguments of a command: 95 options of `--set` and what names the run."""


MOST_MARKS = 4
"""On one letter: more of them run over the lines of others. Vietnamese, Thai and Tibetan have 3."""
BLANK = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters that show nothing, by which a name is none: fillers of Hangul, the empty Braille cell."""


def single_line(text: str) -> str:
    """Return a text that is one line, printable throughout, with nothing around it.

    It can be seen, and stays in its line.

    Raises:
        ValueError: it is not.
    """
    if text != text.strip() or not text.isprintable():
        raise ValueError("one printable line, with no space around it")
    kinds = map(unicodedata.category, unicodedata.normalize("NFD", text))
    stacks = groupby(kind in ("Mn", "Me") for kind in kinds)
    if any(marks and len([*run]) > MOST_MARKS for marks, run in stacks):
        raise ValueError(f"one printable line, with at most {MOST_MARKS} marks on a letter")
    if set(text) & set(BLANK):
        raise ValueError("one printable line, without letters that show nothing")
    return text


def https_link(text: str) -> str:
    """Return an https address of printable ASCII with a host and without a password.

    Raises:
        ValueError: it is another text.
    """
    plain = re.fullmatch(r"[!#$%&()*+,\-./0-9:;=?@A-Z_a-z~\[\]]+", text)
    parts = urlsplit(text) if plain and text.startswith("https://") else None
    if parts is None or "." not in (parts.hostname or "") or "@" in parts.netloc:
        raise ValueError("a link that begins with https:// and a host, in ASCII")
    return text


def spdx_expression(text: str) -> str:
    """Return a licence as SPDX writes it.

    Raises:
        ValueError: SPDX knows no such licence.

    Source: SPDX License List, as the package `packaging` carries it.
    """
    try:
        known = canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        raise ValueError("an SPDX expression, such as Apache-2.0 or CC-BY-NC-4.0") from None
    if text != known:
        raise ValueError(f"SPDX writes it {known}")
    return text


Line = Annotated[str, StringConstraints(min_length=1, max_length=120), AfterValidator(single_line)]
Link = Annotated[str, StringConstraints(max_length=MAX_LINK), AfterValidator(https_link)]
Licence = Annotated[
    str, StringConstraints(min_length=1, max_length=120), AfterValidator(spdx_expression)
]
Handle = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9][A-Za-z0-9-]{0,38}\z")]
Sha256 = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Repository = Annotated[
    str,
    StringConstraints(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}\z"
    ),
]
Revision = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\z")]


class Author(Document):
    """The person who submitted."""

    model_config = ConfigDict(strict=True)

    handle: Handle
    """Account on GitHub."""
    name: Line | None = None
    affiliation: Line | None = None


class HubAdapter(Document):
    """The adapter's weights on the Hugging Face hub, as `harness publish` puts them there."""

    model_config = ConfigDict(strict=True)

    repository: Repository
    """`owner/name`."""
    revision: Revision = "main"
    """A commit names one file for ever; a branch may move, which the digest then shows."""
    sha256: Sha256
    bytes: int = Field(gt=0)


class Withdrawal(Document):
    """What takes an entry out of the ranks, files and history left as they are."""

    model_config = ConfigDict(strict=True)

    date: Annotated[str, StringConstraints(max_length=40)]
    """When it was withdrawn; UTC, ISO 8601."""
    reason: Annotated[
        str, StringConstraints(min_length=1, max_length=300), AfterValidator(single_line)
    ]


class About(Document):
    """What the record of a run cannot say of itself."""

    model_config = ConfigDict(populate_by_name=True, strict=True)

    schema_name: Literal["flowertune-harness/about"] = Field(
        default="flowertune-harness/about", alias="schema"
    )
    schema_version: Literal[1] = 1
    date: Annotated[str, StringConstraints(max_length=40)]
    """When it was submitted; UTC, ISO 8601."""
    command: Annotated[tuple[str, ...], Field(max_length=MAX_ARGUMENTS, strict=False)] = ()
    """What was typed, one argument each, with device, threads and seed as they were resolved; empty
    for a run that kept no command."""
    author: Author | None = None
    licence: Licence | None = None
    """Of the adapter, as an SPDX expression."""
    adapter: HubAdapter | None = None
    code: Link | None = None
    """Where the plugin's sources lie."""
    paper: Link | None = None
    withdrawn: Withdrawal | None = None

    @property
    def withdrawal(self) -> str:
        """Say that the entry was withdrawn, when and why; empty for one that was not."""
        found = self.withdrawn
        return "" if found is None else f"withdrawn on {found.date[:10]}: {found.reason}"


def typed(command: tuple[str, ...]) -> str:
    """Return a command as one line for a POSIX shell or bash.

    An argument with a line break, a prompt template for example, is written in bash's `$'...'`.
    """
    return " ".join(
        shlex.quote(argument) if argument.isprintable() else _ansi_quoted(argument)
        for argument in command
    )


def _ansi_quoted(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t")
    return "$'" + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in plain) + "'"
