"""What every sub-command has alike: -v, --quiet, --json, a help that ends with an example, and that
an empty path names nothing."""

from __future__ import annotations

import platform
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness import __version__, progress
from harness.errors import UsageError

EXAMPLES: dict[str, tuple[str, str]] = {
    "amend": (
        "harness amend my-entry --withdraw 'trained on test rows'",
        "submitting.md",
    ),
    "challenges": ("harness challenges --json", "rules.md"),
    "compare": ("harness compare runs/a runs/b --plot losses.png", "tutorial.md"),
    "dispute": ("harness dispute runs/mine runs/theirs --no-repetition", "reproducing.md"),
    "doctor": ("harness doctor --mirror ~/hub", "tutorial.md"),
    "evaluate": ("harness evaluate runs/mine --untrained", "evaluation.md"),
    "export": ("harness export app --plugin smollm2-dora/135m", "reproducing.md"),
    "frontier": ("harness frontier runs/mine", "evaluation.md"),
    "import": ("harness import ../project --recipe my.toml", "submitting.md"),
    "leaderboard": ("harness leaderboard --check", "submitting.md"),
    "model": ("harness model Qwen/Qwen3-0.6B", "writing-a-plugin.md"),
    "new-plugin": ("harness new-plugin my-entry", "writing-a-plugin.md"),
    "node": ("harness node --secret keys/superexec.secret 127.0.0.1:9711", "deploying.md"),
    "plan": ("harness plan --plugin smollm2-dora/135m --set r=16", "rules.md"),
    "plugins": ("harness plugins standard", "writing-a-plugin.md"),
    "publish": ("harness publish runs/mine --repository me/adapter --dry-run", "publishing.md"),
    "pull-request": ("harness pull-request --base main --head my-branch", "submitting.md"),
    "replicate": ("harness replicate replications/fedex-lora.toml", "comparison.md"),
    "reproduce": ("harness reproduce runs/mine --round 1", "reproducing.md"),
    "rescore": ("harness rescore TASK runs/mine", "evaluation.md"),
    "run": ("harness run --plugin smollm2-dora --smoke", "tutorial.md"),
    "runs": ("harness runs", "tutorial.md"),
    "submit": ("harness submit runs/mine --name my-entry", "submitting.md"),
    "sweep": ("harness sweep strategies.toml --jobs 2", "tutorial.md"),
    "up": ("harness up --supernodes 10", "deploying.md"),
    "verify": ("harness verify submissions", "submitting.md"),
}
"""Sub-command -> an example, and the page of `docs/` where to read on."""


def alike(name: str, command: click.Command) -> click.Command:
    """Return a sub-command with what all of them have.

    Args:
        name: as it is typed.
        command: changed in place; a second call changes nothing.
    """
    own = {option: item for item in command.params for option in item.opts}
    if "--verbose" in own:
        return command
    if "--quiet" in own:  # it passes the wish on to other processes, too
        own["--quiet"].callback = _quiet
    else:
        command.params.append(_flag(["--quiet"], _quiet, "No progress on stderr."))
    for item in command.params:
        if isinstance(item.type, click.Path):
            item.type = NamedPath(item.type)
        if isinstance(item.type, click.IntRange):
            item.metavar = item.metavar or "N"
    verbose = "Say on stderr what runs where, how long it took, and what is behind an error."
    command.params.append(_flag(["-v", "--verbose"], _verbose, verbose))
    if name not in EXAMPLES:
        return command
    example, page = EXAMPLES[name]
    shown = "" if "Example:" in (command.help or "") else f"Example: {example}\n\n"
    command.epilog = f"{shown}\b\nMore: {where_to_read(page)}"
    return command


def where_to_read(page: str) -> str:
    """Return a page of the documentation as it is opened: the clone's, or that of the wheel."""
    clone = Path(__file__).parents[2] / "docs" / page
    installed = Path(sysconfig.get_path("data"), "share/doc/flowertune-harness", page)
    return str(installed) if installed.is_file() and not clone.is_file() else f"docs/{page}"


class NamedPath(click.Path):
    """A path that names something: an empty one, of a variable that is not set, is not `.`."""

    def __init__(self, like: click.Path) -> None:
        """Take over what a type of paths asks for."""
        vars(self).update(vars(like))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty text; everything else is as `click.Path` has it."""
        if value == "":
            self.fail("an empty path; name a file or folder, . for the current one", param, ctx)
        return super().convert(value, param, ctx)


def _flag(names: list[str], callback: Callable[..., Any], text: str) -> click.Option:
    return click.Option(names, is_flag=True, expose_value=False, callback=callback, help=text)


def _quiet(context: click.Context, option: click.Parameter, value: bool) -> bool:
    progress.silent = value
    return value


def _verbose(context: click.Context, option: click.Parameter, value: bool) -> bool:
    progress.verbose = value
    if value and progress.silent:
        raise UsageError("--quiet and --verbose exclude each other; choose one")
    if value:
        begin = time.monotonic()
        progress.say(f"harness {__version__}, Python {platform.python_version()}, in {Path.cwd()}")

        @context.call_on_close
        def _end() -> None:
            progress.say(f"took {time.monotonic() - begin:.1f} s")

    return value
