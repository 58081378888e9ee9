"""The command `harness`: one file per sub-command, imported only when it is called.

Every HarnessError becomes one line on stderr and its exit code, and so does a file system's refusal
of a path, or of memory; anything else is a bug and keeps its traceback. Results alone go to stdout.
"""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import select
import sys
import traceback
from typing import Any, TextIO

import click

from harness import __version__, progress
from harness.cli.alike import alike, where_to_read
from harness.errors import HarnessError, UsageError, did_you_mean
from harness.processes.import_paths import keep_to_environment

SUMMARIES = {
    "amend": "Change what a filed entry says of its people, or withdraw it.",
    "challenges": "List the challenges and their fixed values.",
    "compare": "Tell finished runs apart: settings, paired test, bytes, seconds.",
    "dispute": "Find where two results of one spec part, and repeat that place.",
    "doctor": "Look whether this machine is ready for a run.",
    "evaluate": "Evaluate, or finish evaluating, a run directory.",
    "export": "Write a recipe as a stand-alone Flower App.",
    "frontier": "Show accuracy against MiB and seconds over a run's kept rounds.",
    "import": "Read an existing FlowerTune project as a claimed record.",
    "leaderboard": "Generate the tables and pages from the submissions.",
    "model": "Print the ModelSpec of a model, from its config.json.",
    "node": "Train for the SuperNodes of this machine, and keep models between messages.",
    "new-plugin": "Write a small plugin to start from.",
    "plan": "Resolve, check the rules and forecast; nothing heavy, no network.",
    "plugins": "List the installed plugins and what they contribute.",
    "publish": "Upload a run's adapter and card to the Hugging Face hub.",
    "pull-request": "Judge a pull request with a submission, from git's objects alone.",
    "replicate": "Check what a paper says of methods, on small runs and several seeds.",
    "reproduce": "Run a result, or one round of it, again and compare.",
    "rescore": "Recompute a score from a generations file alone.",
    "run": "Federate, evaluate and write the standardised result.",
    "runs": "List the runs in a folder and how far each has come.",
    "submit": "Write a run directory as a submission folder.",
    "sweep": "Run one recipe over a grid of settings and seeds.",
    "up": "Start a SuperLink and SuperNodes, or write the files that do.",
    "verify": "Check results and submissions from their files alone.",
}
"""Name -> one line of help, so that `harness --help` imports no sub-command."""

LONGEST_PATH = 200
"""Characters of a path in an error message."""

NO_MEMORY = "memory ran out; free some, or raise the limit that holds here (ulimit -v)"

GONE = "the folder that this was typed in is gone; cd to one that is there"

ROOMS = ("prepare", "execute", "entries")
"""Folders of this package that hold sub-commands, one module each."""

MODULES = {
    item.name: room
    for room in ROOMS
    for item in pkgutil.iter_modules([os.path.join(__path__[0], room)])
}
"""Module of a sub-command -> its folder."""


class LazyGroup(click.Group):
    """A group whose commands are found in modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the sub-commands that exist."""
        return sorted(name for name in SUMMARIES if module_name(name) in MODULES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one sub-command.

        Raises:
            UsageError: there is no such sub-command.
        """
        if name not in self.list_commands(ctx):
            known = did_you_mean(name, self.list_commands(ctx))
            raise UsageError(f"no command {name!r}; {known}")
        module_of = module_name(name)
        module = importlib.import_module(f"harness.cli.{MODULES[module_of]}.{module_of}")
        return alike(name, module.command)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a sub-command.

        Raises:
            RuntimeError: a pipe broke whose reader is a process of the command's own. click, and
                `main`, would take it for a reader of stdout that went away, and end without a word.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            if all(map(_is_read, (sys.stdout, sys.stderr))):
                raise RuntimeError("a process of this command ended early") from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the summaries without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in self.list_commands(ctx)])


def module_name(command: str) -> str:
    """Return the module of a sub-command: `new-plugin` -> `new_plugin`, `import` -> `import_`."""
    name = command.replace("-", "_")
    return f"{name}_" if name == "import" else name


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\nMore: {where_to_read('tutorial.md')}",
)
@click.version_option(__version__, prog_name="harness")
@click.pass_context
def cli(context: click.Context) -> None:
    """Benchmark federated fine-tuning of LLMs for the FlowerTune leaderboard.

    Begin with: harness doctor, then harness run --plugin smollm2-dora --smoke. `harness COMMAND
    --help` has an example of each.
    """
    if not progress.coloured(sys.stdout):
        context.color = False


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    _open_closed_streams()
    try:
        if arguments is None:  # a process of its own, not a call in somebody else's
            keep_to_environment()
        # What commands are told as `obj`: whether this process is theirs alone.
        own = arguments is None
        code = _called(arguments, own)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except HarnessError as error:
        if progress.verbose:
            traceback.print_exception(error)
        _complain(str(error))
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:  # `harness` alone: its help, as asked for
        click.echo(error.format_message())
    except click.ClickException as error:
        _complain(_with_help(error, sys.argv[1:] if arguments is None else arguments))
        sys.exit(UsageError.exit_code)
    except (KeyboardInterrupt, click.Abort):
        progress.tell(f"{progress.in_place()}interrupted")
        sys.exit(130)
    except MemoryError:
        _complain(NO_MEMORY)
        sys.exit(UsageError.exit_code)
    except OSError as error:
        if error.filename is None:
            if told := _without_path(error):
                _complain(told)
                sys.exit(UsageError.exit_code)
            if error.errno not in (errno.ENOSPC, errno.EPIPE, errno.EIO):
                raise
            _drop(sys.stdout)
            if error.errno == errno.EPIPE:
                # The reader went away (`harness plugins | head -1`); click exits alike.
                sys.exit(1)
            error.filename = "output"
        shown = str(error.filename)[:LONGEST_PATH]
        _complain(f"{shown}: {error.strerror}; check the path")
        sys.exit(UsageError.exit_code)
    finally:
        try:
            sys.stderr.flush()
        except OSError:  # nobody can read it
            _drop(sys.stderr)


def _drop(stream: TextIO) -> None:
    """Have a stream that cannot be written end in the null device.

    What is still in its buffer would fail again when Python ends, with an exit code of its own.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _is_read(stream: TextIO) -> bool:
    """Return whether what is written to a stream still arrives: its pipe's other end is open."""
    looked = select.poll()
    looked.register(stream, 0)
    return not looked.poll(0)


def _called(arguments: list[str] | None, own: bool) -> Any:
    """Run the command; a module that is not there is the extra's where the extra is not there."""
    try:
        return cli.main(args=arguments, prog_name="harness", standalone_mode=False, obj=own)
    except ModuleNotFoundError:
        from harness.machine.versions import require_run_extra

        require_run_extra()
        raise


def _without_path(error: OSError) -> str | None:
    """Say what the system refused that has no path; None where nobody foresaw it."""
    if error.errno == errno.ENOMEM:
        return NO_MEMORY
    try:
        os.getcwd()
    except FileNotFoundError:
        return GONE
    return None


def _with_help(error: click.ClickException, arguments: list[str]) -> str:
    """Return what click found wrong, and the help that says what is expected."""
    message = error.format_message().rstrip(".")
    if message.endswith("?"):  # click guesses what was meant
        return message
    if isinstance(error, click.BadOptionUsage) and error.option_name == "--resume":
        from harness.cli.entries.runs import to_resume

        message += to_resume()
    named = next((word for word in arguments if word in SUMMARIES), None)  # It forgets at times.
    typed = ["harness"] if named is None else ["harness", named]
    return f"{message}; see: {' '.join(typed)} --help"


def _complain(message: str) -> None:
    error = progress.paint("error:", "red", sys.stderr)
    progress.tell(f"{progress.in_place()}{error} {message}")


def _open_closed_streams() -> None:
    """Give each standard stream that the caller closed (`harness run >&-`) to the null device.

    Otherwise the next file that is opened would take its number, and a child's output would be
    written into, say, a checkpoint. Numbers are handed out from below: 0, 1, 2 in this order.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
    # Both live as long as the process.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
