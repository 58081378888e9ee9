"""Decoding many rows at once, each exactly as its official batch would decode it."""
