"""Decoding many rows at once, each exactly as its official batch would decode it.

Words: a *row* is one question of an evaluation set, known by its number; a *line* is where a row at
work lies in the cache, and another row's when that one has left; a *slot* is one token's place in a
line; a *span* is what one row is fed in one forward pass; a *block* is neighbouring lines that
attend together.
"""
