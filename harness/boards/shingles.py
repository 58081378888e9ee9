"""Evaluation rows are recognised in other texts by digests of their words; no word is shipped.

A row's words are cut into windows of `WORDS`, one behind another; a text holds a row, or a good
part of one, when the digest of any of its own runs of `WORDS` is that of a window. `shingles.bin`
of a board's folder holds the windows' digests, sorted, `DIGEST_BYTES` each; `bench/shingles.py`
makes it from the rows. A window that several rows share, such as a common question, is left out.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.boards.board import board_folder
from harness.errors import RecordError

SHINGLES = "shingles.bin"
"""File of a board's folder."""

WORDS = 8
"""Words of a window."""
FEWEST_WORDS = 5
"""A shorter row than a window is one window by itself; below this it is too common to be told."""
WINDOWS = 4
"""Most windows that are kept of one row, spread over it."""
DIGEST_BYTES = 5
"""Of a window's sha256: a strange one is taken for one of 50,000 with a chance of 5e-8."""

WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text: letters and digits in lower case, without what is between."""
    return WORD.findall(text.casefold())


def digest_of_words(words: Sequence[str]) -> bytes:
    """Return the digest of a run of words."""
    return hashlib.sha256(" ".join(words).encode()).digest()[:DIGEST_BYTES]


def windows(text: str) -> Iterator[bytes]:
    """Yield the digests by which one evaluation row is known."""
    words = words_of(text)
    if len(words) < WORDS:
        if len(words) >= FEWEST_WORDS:
            yield digest_of_words(words)
        return
    starts = list(range(0, len(words) - WORDS + 1, WORDS))
    step = max(1, -(-len(starts) // WINDOWS))
    for start in starts[::step]:
        yield digest_of_words(words[start : start + WORDS])


def make_shingles(rows: Iterable[str]) -> bytes:
    """Return the content of `shingles.bin` for the texts of evaluation rows."""
    found = Counter(digest for text in set(rows) for digest in set(windows(text)))
    return b"".join(sorted(digest for digest, count in found.items() if count == 1))


@functools.cache
def shingles_of(board_id: str) -> frozenset[bytes]:
    """Return the digests of a board's windows; empty where its rows could not be had.

    Raises:
        RecordError: the file is no whole number of digests.
    """
    file = board_folder(board_id).joinpath(SHINGLES)
    if not file.is_file():
        return frozenset()
    data = file.read_bytes()
    if len(data) % DIGEST_BYTES:
        raise RecordError(f"{file}: {len(data)} bytes; expected {DIGEST_BYTES} a window")
    return frozenset(
        data[start : start + DIGEST_BYTES] for start in range(0, len(data), DIGEST_BYTES)
    )


def first_row_in(board_id: str, text: str) -> str | None:
    """Return the first words of a text that are a window of an evaluation row, or None.

    Args:
        board_id: whose rows.
        text: of a recipe; it takes time linear in it.
    """
    words = words_of(text)
    if len(words) < FEWEST_WORDS:
        return None
    known = shingles_of(board_id)
    for start in range(len(words) - FEWEST_WORDS + 1):
        for size in range(FEWEST_WORDS, min(WORDS, len(words) - start) + 1):
            run = words[start : start + size]
            if digest_of_words(run) in known:
                return " ".join(run)
    return None
