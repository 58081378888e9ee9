"""`harness dispute`: where two results of one spec part, and whom a repetition supports."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import FOLDER, actors_option, mirror_option
from harness.document import pretty_json
from harness.processes.signals import answering_signals, interrupt

PLACE = click.Path(path_type=Path, exists=True)


@click.command()
@click.argument("one", type=PLACE, metavar="A")
@click.argument("two", type=PLACE, metavar="B")
@mirror_option
@click.option("--out", type=FOLDER, help="Keep what the repetition writes; default: deleted.")
@actors_option
@click.option("--no-repetition", is_flag=True, help="Compare what is recorded; run nothing.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print the finding as JSON on stdout.")
@click.pass_context
@answering_signals(interrupt)
def command(
    context: click.Context, one: Path, two: Path, mirror: Path | None, out: Path | None,
    actors: int | None, no_repetition: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Find where two results of one spec part, and repeat that place.

    A and B are result.json files, submission folders or run directories. What is recorded tells the
    round and the client; the step and the tensor too, where the runs were made with --keep-steps.
    One client is repeated, or one round where only the aggregates differ, from the newest
    checkpoint before it that either has, else from the start. Exits with 0 when A and B agree, else
    with 1.
    """
    from harness.reproduce.dispute import dispute

    one, two = one.absolute(), two.absolute()
    found = dispute(one, two, None)
    if found.place is not None and not no_repetition:
        from harness.federation.options import Options
        from harness.processes import startup
        from harness.reproduce import read_original
        from harness.reproduce.scratch import scratch

        startup.here()  # before the first plugin is loaded
        mirror, out = (item and item.absolute() for item in (mirror, out))
        options = Options(actors=actors, quiet=quiet)
        with scratch(read_original(one), out, context.obj is True) as work_dir:
            found = dispute(one, two, work_dir, mirror, options)
    text = pretty_json(found.model_dump(mode="json")) if as_json else "\n".join(found.lines())
    click.echo(text, nl=not as_json)
    if found.place is not None:
        raise SystemExit(1)
