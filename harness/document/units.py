"""Units of sizes, and counts with what they count.

A unit stands in a name (`_bytes`, `_mib`); the sizes convert between them.
"""

MIB = 2**20
"""Bytes of one mebibyte. The challenge's budget of "200,000 MB" counts these."""

GIB = 2**30
"""Bytes of one gibibyte."""


def how_many(number: int, thing: str, *, plural: str = "") -> str:
    """Return a count with what it counts: `1 finding`, `0 findings`, `2,388 rows`.

    Args:
        number: at least 0.
        thing: the word for one of them.
        plural: the word for several; empty: `thing` with an s.
    """
    return f"{number:,} {thing if number == 1 else plural or f'{thing}s'}"
