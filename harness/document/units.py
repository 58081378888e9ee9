"""Units of sizes. A unit stands in a name (`_bytes`, `_mib`); these convert between them."""

MIB = 2**20
"""Bytes of one mebibyte. The challenge's budget of "200,000 MB" counts these."""

GIB = 2**30
"""Bytes of one gibibyte."""
