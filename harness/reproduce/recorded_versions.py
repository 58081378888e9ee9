"""The command that repeats a record with the versions that it names."""

from __future__ import annotations

import shlex

from harness.record.file_names import RESULT
from harness.reproduce.original import Original
from harness.spec import to_install


def repeating_command(
    original: Original, number: int | None, client: int | None, evaluation: bool = False
) -> str | None:
    """Return what to type, and where, to repeat a record with its own versions.

    Args:
        original: what is to be repeated.
        number: the round; None for all.
        client: the partition; None for all.
        evaluation: repeat the evaluation only.

    Returns:
        None for a run without a result: it does not say what it was made with.
    """
    if original.record is None:
        return None
    path = str((original.result or original.folder / RESULT).absolute())
    arguments = ["--evaluation"] if evaluation else []
    arguments += ["--round", str(number)] if number is not None else []
    arguments += ["--client", str(client)] if client is not None else []
    installs, where = to_install(original.record.plugins)
    typed = shlex.join(["tox", "-e", "repro", "--", path, *arguments, *installs])
    git = original.record.environment.git
    holds = f" that holds commit {git.commit}" if git is not None else ""
    return f"in a clone of the harness{holds}: {typed}{where}"
