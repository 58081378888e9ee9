"""Every error that the harness shows to a user.

HarnessError                    exit code
├── UsageError                  2   the command line or a value in it
├── MissingExtraError           3   a package is not installed that an extra brings, `[run]` mostly
├── PluginError                 4   a plugin: import, hooks, components, documents
├── RuleViolationError          5   the challenge's rules
├── FederationError             6   the federation
│   ├── RosterError                 the supernodes are not partitions 0..n-1
│   └── ClientFailedError           a client failed after its retries
├── EvaluationError             7   evaluation and re-scoring
│   └── OtherAnswersError           a finished run's answers, given with other versions
├── RecordError                 8   a document on disk: spec, record, generations, adapter
│   └── OtherRunError               a run directory whose rounds are another run's
└── SourceError                 7   a model or data set that is nowhere or not what it should be
    └── NowhereError                it is in none of the sources

A message is one line: what was found, what was expected, what to do.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable
from pathlib import Path


class HarnessError(Exception):
    """Root of the tree. `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(HarnessError):
    """A value on the command line cannot be used."""

    exit_code = 2


class MissingExtraError(HarnessError):
    """A package that an extra of the harness brings is missing."""

    exit_code = 3


class PluginError(HarnessError):
    """A plugin is unknown, broken or contradicts itself."""

    exit_code = 4


class RuleViolationError(HarnessError):
    """A run would break, or has broken, a rule of its challenge."""

    exit_code = 5


class FederationError(HarnessError):
    """The federation did not complete; the run directory can be resumed."""

    exit_code = 6


class RosterError(FederationError):
    """The connected supernodes are not exactly partitions 0..n-1."""


class ClientFailedError(FederationError):
    """A client failed after all its retries."""


class EvaluationError(HarnessError):
    """An evaluation or a re-scoring could not give a number."""

    exit_code = 7


class OtherAnswersError(EvaluationError):
    """The answers of a finished run were given with other versions, or on another device."""


class SourceError(HarnessError):
    """A model or data set is in none of the sources, or is corrupt."""

    exit_code = 7


class NowhereError(SourceError):
    """A model or data set is in none of the sources."""


class RecordError(HarnessError):
    """A document on disk is missing, malformed, too new or inconsistent."""

    exit_code = 8


class OtherRunError(RecordError):
    """The rounds in a run directory are of another spec, data or version: no resume goes on."""


def how_to_install(extra: str) -> str:
    """Return what to type where a package of an extra is missing, quoted for every shell."""
    return f"pip install 'flowertune-harness[{extra}]'"


def how_to_finish(run_dir: Path) -> str:
    """Return what to type where a run has not come to its end."""
    return f"finish the run first: harness run --resume {shlex.quote(str(run_dir))}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence fragment for an unknown `name`.

    Returns:
        `'did you mean "x"?'` when something is close, or its last part is (`lora` to
        `standard/lora`); else the list of what is known, `codec` standing for `codec.rank` as well.
    """
    names = sorted(known)
    meant = {item.rpartition("/")[2]: item for item in reversed(names)} | {n: n for n in names}
    close = difflib.get_close_matches(name.lower(), meant, n=1, cutoff=0.5)
    if close:
        return f'did you mean "{meant[close[0]]}"?'
    groups = {item for item in names if "." not in item}
    listed = [item for item in names if item in groups or item.partition(".")[0] not in groups]
    return f"known: {', '.join(listed) or 'none'}"
