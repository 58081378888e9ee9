"""Execution of programs that a model wrote, in a sandbox: a verdict for each.

`execute` is the one call. A program has no network, no rights, one empty folder, and nothing of the
machine's files but what its interpreter or compiler needs. It is bounded in time, memory,
processes, files and output, and everything that it starts is ended. What the machine cannot offer
is named in `Isolation`.
"""

from harness.boards.execution.attempts import execute
from harness.boards.execution.languages import EXECUTABLES, LANGUAGES
from harness.boards.execution.verdict import Attempt, Execution, Isolation, Verdict

__all__ = ["EXECUTABLES", "LANGUAGES", "Attempt", "Execution", "Isolation", "Verdict", "execute"]
