"""What the harness takes from inside other libraries: one file per library, and nothing elsewhere.

A name is internal when its library makes no promise about it: a leading underscore, or a module
that its documentation does not list. Each file says which release it was read in, `pyproject.toml`
bounds the library to releases like that one, and `tests/library_internals` says in seconds what a
newer release has changed. The files import their library when a function needs it, not before.
"""
