"""A board that a test adds."""
