"""The checker on the page: the unchanged rules, run by the reader's own browser."""
