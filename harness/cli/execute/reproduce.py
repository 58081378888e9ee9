"""`harness reproduce`: repeat a result, its evaluation, a round or a client, and compare."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER, actors_option, mirror_option
from harness.document import pretty_json
from harness.processes.signals import answering_signals, interrupt

if TYPE_CHECKING:
    from harness.record.isolation import Policy
    from harness.reproduce import Original, Reproduction


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True), metavar="RESULT_OR_DIR")
@click.option("--round", "number", type=click.IntRange(1), help="Repeat this round only.")
@click.option("--client", type=click.IntRange(0), help="Repeat this partition of the round only.")
@click.option("--evaluation", is_flag=True, help="Repeat the evaluation of the adapter only.")
@click.option("--adapter", type=FOLDER, help="With --evaluation: folder of the adapter's weights.")
@mirror_option
@click.option("--out", type=FOLDER, help="Keep what the repetition writes; default: deleted.")
@actors_option
@click.option(
    "--tolerance",
    is_flag=True,
    help="Accept tensors that differ by no more than the challenge's tolerance.",
)
@click.option(
    "--isolation",
    type=click.Choice(["auto", "required", "off"]),
    default="auto",
    show_default=True,
    help="Hold plugin code back from files and network; see harness run.",
)
@click.option("--trust-remote-code", is_flag=True, help="Let the model's own code run here.")
@click.option("--write", is_flag=True, help="Write the earned rung into the submission folder.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON on stdout.")
@click.pass_context
@answering_signals(interrupt)
def command(
    context: click.Context, path: Path, number: int | None, client: int | None, evaluation: bool,
    adapter: Path | None, mirror: Path | None, out: Path | None, actors: int | None,
    tolerance: bool, isolation: Policy, trust_remote_code: bool, write: bool, quiet: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Repeat a result, its evaluation, or one round or client of it, and compare.

    Takes a result.json, a submission folder or a run directory. Training is compared byte for byte,
    answers row by row. Exits with 0 when everything is equal (with --tolerance: when the tensors
    are close enough), else with 1.
    """
    _refuse_mixed(evaluation, number, client, adapter)
    from harness.machine.versions import require_run_extra

    require_run_extra()
    from harness.federation.options import Options
    from harness.processes import startup
    from harness.reproduce import read_original, reevaluate, repeating_command, reproduce
    from harness.reproduce.scratch import scratch

    startup.here()  # before the first plugin is loaded
    typed = shlex.join(["harness", "reproduce", *sys.argv[2:]])
    path = path.absolute()
    adapter, mirror, out = (item and item.absolute() for item in (adapter, mirror, out))
    original = read_original(path)
    if write:
        _refuse_to_write(original, path, client)
    with scratch(original, out, context.obj is True) as work_dir:
        if evaluation:
            found = reevaluate(
                path, work_dir, adapter, mirror, quiet=quiet, trust_remote_code=trust_remote_code
            )
        else:
            options = Options(actors=actors, quiet=quiet, isolation=isolation)
            found = reproduce(path, work_dir, number, client, mirror, options, trust_remote_code)
    again = None
    if found.other_versions:
        again = repeating_command(original, number, client, evaluation)
    if as_json:
        verdict = {
            "equal": found.equal,
            "within_tolerance": found.within_tolerance,
            "with_recorded_versions": again,
        }
        click.echo(pretty_json(verdict | found.model_dump(mode="json")), nl=False)
    else:
        click.echo("\n".join(found.lines()))
        if again:
            click.echo(f"with the recorded versions, {again}")
    reproduced = found.equal or (tolerance and found.within_tolerance)
    if write and reproduced:
        _write(read_original(path), found, tolerance, typed)
    if not reproduced:
        raise SystemExit(1)


def _refuse_mixed(
    evaluation: bool, number: int | None, client: int | None, adapter: Path | None
) -> None:
    """Say before anything heavy that two options do not go together."""
    from harness.errors import UsageError

    if evaluation and (number is not None or client is not None):
        raise UsageError("--evaluation with --round or --client: an evaluation is of the adapter")
    if adapter is not None and not evaluation:
        raise UsageError("--adapter without --evaluation: training makes its own adapter")


def _refuse_to_write(original: Original, path: Path, client: int | None) -> None:
    """Say before a long run that its rung could not be written."""
    from harness.errors import UsageError

    if original.record is None:
        raise UsageError(f"{path}: --write needs a result.json, in a submission folder for example")
    if client is not None:
        raise UsageError("--write with --client: one client earns no rung; repeat a whole round")


def _write(original: Original, found: Reproduction, tolerated: bool, typed: str) -> None:
    from harness.reproduce.rung import write_rung

    assert original.record is not None
    target = write_rung(original.folder, found, original.record.adapter.sha256, typed, tolerated)
    click.echo(f"rung {found.level} written: {target}", err=True)
