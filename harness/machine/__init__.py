"""This machine: its memory, its processors, and the versions of what is installed on it."""
