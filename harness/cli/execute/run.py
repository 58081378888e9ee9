"""`harness run`: from a plugin's name to a standardised result."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.boards.board import load_board
from harness.cli.options import FOLDER, actors_option, mirror_option
from harness.cli.request import request_of, request_options
from harness.document import pretty_json
from harness.document.units import MIB, how_many
from harness.errors import UsageError
from harness.federation.options import Options
from harness.machine.versions import require_run_extra
from harness.processes.signals import answering_signals, interrupt
from harness.record.file_names import RESULT
from harness.record.result import ResultRecord

DEFAULTS = Options()
"""What holds of a federation where an option is left out."""


def finite(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """Refuse `nan` and `inf`, which are floats to click.

    Raises:
        BadParameter: the value is one of them.
    """
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no finite number", context, option)
    return value


@click.command()
@request_options
@click.option("--out", type=FOLDER, help="New run directory; default: runs/PLUGIN-RECIPE-TIME.")
@click.option("--resume", type=FOLDER, help="Continue the run in this directory.")
@mirror_option
@actors_option
@click.option(
    "--client-timeout",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    metavar="SECONDS",
    help="A client that takes longer in one round has failed; default: "
    f"{DEFAULTS.client_timeout_s:g}.",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    help=f"How often a failed client is asked again; default: {DEFAULTS.retries}.",
)
@click.option(
    "--keep-checkpoints",
    type=click.IntRange(1),
    help=f"Newest checkpoints that stay; default: {DEFAULTS.keep_checkpoints}.",
)
@click.option(
    "--track",
    "tracks",
    multiple=True,
    type=click.Choice(["tensorboard", "trackio", "wandb"]),
    help="Tell an experiment tracker every round; repeatable. Default: none.",
)
@click.option(
    "--country",
    metavar="ISO3",
    help="Turn measured energy into CO2 by codecarbon's factor of this country (DEU, FRA ...).",
)
@click.option(
    "--no-rehearsal",
    "rehearse",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Do not try a plugin's strategy on small arrays before any model is loaded.",
)
@click.option(
    "--keep-steps",
    is_flag=True,
    help="Clients keep digests of each step, which harness dispute compares.",
)
@click.option(
    "--superlink",
    metavar="NAME|DIR",
    help="Run through a Flower SuperLink: `local`, a connection of Flower's configuration, or the"
    " folder of harness up. Default: none, Flower's simulation.",
)
@click.option(
    "--ray-address",
    metavar="HOST:PORT",
    help="Train on the nodes of this Ray cluster; this machine is one of them.",
)
@click.option(
    "--isolation",
    type=click.Choice(["auto", "required", "off"]),
    help="Hold plugin code back from files and network: as far as this machine can (the default),"
    " or refuse a machine that cannot, or not at all.",
)
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@answering_signals(interrupt)
def command(
    out: Path | None, resume: Path | None, mirror: Path | None, quiet: bool, as_json: bool,
    plugin: str | None, file: Path | None, tracks: tuple[str, ...], country: str | None,
    **options: Any,
) -> None:  # fmt: skip
    """Federate a recipe in Flower, evaluate its adapter and write result.json.

    The recipe is a plugin's, or stands in FILE.toml or in [tool.harness] of a pyproject.toml.

    Everything is kept in a run directory; a run that was stopped goes on with --resume.
    """
    require_run_extra()
    from harness.pipeline import run
    from harness.pipeline.trackers import tracker

    names = (
        "actors", "client_timeout", "retries", "keep_checkpoints", "keep_steps", "superlink",
        "ray_address", "isolation", "rehearse",
    )  # fmt: skip
    chosen = {name: options.pop(name) for name in names}
    chosen["client_timeout_s"] = chosen.pop("client_timeout")
    given = {name: value for name, value in chosen.items() if value is not None}
    observers = tuple(map(tracker, dict.fromkeys(tracks)))
    settings = run.Settings(out, mirror, Options(quiet=quiet, **given), country, observers)
    if resume is not None:
        if out is not None:
            raise UsageError("--out and --resume exclude each other; a resumed run stays in place")
        named = plugin is not None or file is not None
        request = request_of(plugin, file, **options) if named else None
        if request is None:
            _refuse_ignored(options)
        folder, record = resume, run.resume(resume, request, settings)
    else:
        folder, record = run.start(request_of(plugin, file, **options), settings)
    click.echo(
        pretty_json(record.to_json()) if as_json else summary(folder, record), nl=not as_json
    )


def _refuse_ignored(options: dict[str, Any]) -> None:
    """Refuse what names a recipe's values when no recipe is named.

    Raises:
        UsageError: an option of the request was given.
    """
    source = click.get_current_context().get_parameter_source
    given = [
        f"--{ {'overrides': 'set', 'evaluation_rows': 'limit'}.get(name, name) }"
        for name in options
        if source(name) is not ParameterSource.DEFAULT
    ]
    if given:
        raise UsageError(
            f"--resume goes on with the run's own settings and {', '.join(given)} would be ignored;"
            " leave it out, or name --plugin too, to check that it is the same run"
        )


def summary(folder: Path, record: ResultRecord) -> str:
    """Return the last lines for people: scores, communication, eligibility, where it all is."""
    official = [score for score in record.scores if score.metric == "accuracy"]
    width = max(len("mean"), *(len(score.task) for score in official))
    metric = load_board(record.challenge.id).metric
    lines = [f"{'set':<{width}}  {metric:<8}  +/- one standard error, over the rows evaluated"]
    lines += [
        f"{score.task:<{width}}  {100 * score.value:6.2f} %  +/- {100 * score.stderr:.2f},"
        f" {how_many(score.examples, 'row')}"
        for score in official
    ]
    lines.append(f"{'mean':<{width}}  {100 * record.average:6.2f} %")
    lines.append(f"{record.communication.bytes_total / MIB:,.2f} MiB communicated")
    if record.energy is not None and record.energy.joules is not None:
        lines.append(f"energy: {record.energy.summary}")
    if record.spec.smoke:
        lines.append("a smoke run: it shows that everything works, and ranks nowhere")
    else:
        lines += [f"not eligible: {reason}" for reason in record.ineligible_because]
    place = shlex.quote(str(folder))
    lines.append(f"result: {folder / RESULT}; check it: harness verify {place}")
    if record.eligible:
        lines.append(f"file it: harness submit {place}")
    return "\n".join(lines)
