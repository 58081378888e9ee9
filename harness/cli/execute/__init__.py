"""Sub-commands that run, repeat or recount something."""
