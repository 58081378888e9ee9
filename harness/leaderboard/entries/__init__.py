"""Entries of a board: from a checked submission or claim to one row of its table."""
