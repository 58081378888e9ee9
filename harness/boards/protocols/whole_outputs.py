"""Outputs that are read when they are complete: the part of a board's protocol that follows."""

from __future__ import annotations

from collections.abc import Mapping

from harness.boards.rows import Row


class WholeOutputs:
    """What boards of choices and of programs have alike beside their readers."""

    smoke_training_rows = 640

    def output_of(self, prompt: str, text: str, new_text: str) -> str:
        """Return the continuation, decoded by itself; a program's is cut already."""
        return new_text

    def settled(self, task: str, text: str) -> bool:
        """Return False: an answer of one or two tokens is read when it is complete, and drawing
        ends when every completion of a problem holds a stop word."""
        return False

    def hint(self, tail: str) -> bool:
        """Return True, so that nothing rests on `settled`."""
        return True

    def held_out(self, row: Mapping[str, str]) -> Row | None:
        """Return None: a training row is no question with options, and has no tests."""
        return None

    def passages(self, prompt: str) -> tuple[str, ...]:
        """Return nothing: the licences of the sets let them be passed on."""
        return ()
