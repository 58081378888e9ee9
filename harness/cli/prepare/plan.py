"""`harness plan`: what a run would be, send and take."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness.boards.registry import protocol_of
from harness.cli.options import mirror_option
from harness.cli.request import request_of, request_options
from harness.codec.choice import described
from harness.document import digest_of, pretty_json
from harness.document.units import GIB, MIB, how_many
from harness.errors import HarnessError, RuleViolationError
from harness.machine.machine import Machine, measured_machine, this_machine, with_described_gpu
from harness.planning.devices import memory_doubt, refuse_hopeless_device, refuse_hopeless_memory
from harness.planning.resolve import Resolved, resolve
from harness.plugins import discover
from harness.plugins.places import HEAVY, of_import
from harness.progress import format_duration
from harness.record.federation import PrivacyRecord

SIZE = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?) ?(MiB|MB|GiB|GB|G|M)", re.IGNORECASE)
BYTES = {"mib": MIB, "mb": 10**6, "m": MIB, "gib": GIB, "gb": 10**9, "g": GIB}


def memory_size(context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    """Return bytes of a size as people write it: 16GiB, 24GB, 8000MiB.

    Raises:
        BadParameter: it is none.
    """
    if value is None:
        return None
    match = SIZE.fullmatch(value.strip())
    if match is None or not float(match.group(1)):
        raise click.BadParameter(f"{value!r:.40}: expected a size, such as 16GiB", context, option)
    return round(float(match.group(1)) * BYTES[match.group(2).lower()])


@click.command()
@request_options
@mirror_option
@click.option(
    "--gpu-memory",
    "gpu_bytes",
    callback=memory_size,
    metavar="SIZE",
    help="Forecast for a card with this much free memory, 16GiB, with --device cuda.",
)
@click.option(
    "--gpus", type=click.IntRange(1, 64), help="Forecast for so many such cards in one machine."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    as_json: bool, plugin: str | None, file: Path | None, mirror: Path | None,
    gpu_bytes: int | None, gpus: int | None, **options: Any,
) -> None:  # fmt: skip
    """Resolve a recipe, check the rules and forecast the run.

    The recipe is a plugin's, or stands in FILE.toml or in [tool.harness] of a pyproject.toml.

    With --device cuda the forecast is for this machine's cards, for those that --gpu-memory and
    --gpus describe, or for one of 16 GiB where there is none.

    Loads no torch and touches no network, but for the config.json of a model that the recipe names
    by its hub id alone. Exits with 5 when a rule is broken; what else `harness run` would refuse
    here, for want of memory, disk or files of the model, is said after the rules.
    """
    from harness.sources.hub_model import hub_model

    request = request_of(plugin, file, **options)
    if gpu_bytes is not None or gpus is not None or request.device == "cuda":
        machine = with_described_gpu(this_machine(), gpu_bytes, gpus)
    else:
        machine = measured_machine()
    before = set(sys.modules)
    resolved = resolve(request, machine, hub_models=partial(hub_model, mirror=mirror))
    if heavy := [name for name in HEAVY if name in sys.modules and name not in before]:
        place = of_import(discover()[resolved.spec.plugin].top_module)
        click.echo(
            f"note: importing plugin {resolved.spec.plugin!r} loads {', '.join(heavy)}"
            f"{f' ({place})' if place else ''}, which every command waits for; import it inside"
            " the functions that need it",
            err=True,
        )
    refused = tuple(refused_here(request.device, resolved, machine, mirror))
    doubt = memory_doubt(resolved.forecast, resolved.spec.compute.device, machine)
    if as_json:
        found = as_value(resolved) | {"memory_doubt": doubt, "refused_here": refused}
        click.echo(pretty_json(found), nl=False)
    else:
        lines = [as_text(resolved), *map(_refusal, refused)]
        if doubt is not None and not any(doubt in reason for reason in refused):
            lines.append(click.style("MAY NOT FIT    ", "yellow") + doubt)
        click.echo("\n".join(lines))
    if resolved.violations:
        count = how_many(len(resolved.violations), "rule violation")
        raise RuleViolationError(f"{count}, listed above")


def refused_here(
    device: str, resolved: Resolved, machine: Machine, mirror: Path | None
) -> Iterator[str]:
    """Yield why `harness run` would refuse the run before it trains, rules aside.

    Args:
        device: auto, cpu or cuda, as on the command line.
        resolved: the run.
        machine: that it is forecast for.
        mirror: folder with `models/`, or None: the one that the environment names.
    """
    from harness import run_directory
    from harness.sources.assets import refuse_unusable_mirror

    spec, expected = resolved.spec, resolved.forecast
    checks: tuple[Callable[[], object], ...] = (
        lambda: refuse_hopeless_device(device, spec, expected),
        lambda: refuse_hopeless_memory(expected, spec.compute.device, machine),
        lambda: run_directory.refuse_full_disk(Path("runs"), expected.estimate.disk_bytes),
        lambda: refuse_unusable_mirror(spec, resolved.challenge, mirror),
    )
    for check in checks:
        try:
            check()
        except HarnessError as error:
            yield str(error)


def _refusal(reason: str) -> str:
    return click.style("REFUSED        ", "red") + f"by harness run here: {reason}"


def as_value(resolved: Resolved) -> dict[str, Any]:
    """Return the plan as a JSON value."""
    spec, expected = resolved.spec, resolved.forecast
    return {
        "plugin": spec.plugin,
        "recipe": spec.recipe,
        "challenge": spec.challenge.model_dump(mode="json"),
        "division": spec.division,
        "num_supernodes": resolved.challenge.num_supernodes,
        "adapter": expected.adapter.model_dump(mode="json"),
        "communication": expected.communication.model_dump(mode="json"),
        "estimate": expected.estimate.model_dump(mode="json"),
        **({} if (private := _privacy(resolved)) is None else {"privacy": private.model_dump()}),
        "violations": [item.model_dump(mode="json") for item in resolved.violations],
        "spec_digest": digest_of(spec),
        "spec": spec.model_dump(mode="json"),
    }


def as_text(resolved: Resolved) -> str:
    """Return the plan as lines for people."""
    lines = [f"{name:<14} {value}" for name, value in _rows(resolved)]
    lines += [
        click.style("VIOLATION      ", "red")
        + f"[{item.rule}] {item.found}; expected: {item.expected}"
        for item in resolved.violations
    ]
    if not resolved.violations:
        lines.append("rules          all kept")
    return "\n".join(lines)


def _rows(resolved: Resolved) -> list[tuple[str, str]]:
    """Return what each line says of the run, by its name."""
    spec, challenge, expected = resolved.spec, resolved.challenge, resolved.forecast
    train, traffic, cost = spec.train, expected.communication, expected.estimate
    most = "at most " if protocol_of(challenge).decoding.sampling is not None else ""
    evaluation = (
        f", evaluation {most}{format_duration(cost.evaluation_s)}"
        if cost.evaluation_s is not None
        else ", evaluation not known"
    )
    rows = [
        ("recipe", f"{spec.label}: {resolved.recipe.title}"),
        ("challenge", f"{challenge.id}, revision {challenge.revision} ({challenge.date})"),
        ("model", f"{spec.model.hub_id}, {spec.model.parameters():,} parameters,"
                  f" base in {spec.model.quantization}"),
        ("peft", f"{spec.peft.name} {_params(spec.peft.params)}"),
        ("strategy", f"{spec.strategy.name} {_params(spec.strategy.params)}".rstrip()),
        ("federation", f"{challenge.num_supernodes} supernodes, {how_many(train.rounds, 'round')}"
                       f" of {traffic.clients_per_round} clients,"
                       f" {how_many(train.max_steps, 'step')} of"
                       f" {how_many(train.batch_size, 'example')}, {train.optimizer}"),
        ("adapter", f"{expected.adapter.parameters:,} parameters in"
                    f" {how_many(expected.adapter.tensors, 'tensor')}"),
        ("communication", f"{traffic.total_mib:,.2f} MiB of {traffic.limit_mib:,}"
                          f" ({traffic.total_mib_legacy:,.2f} by the count before 2025-09-17)"),
        ("estimate", f"training {format_duration(cost.training_s)}{evaluation},"
                     f" {cost.memory_bytes / GIB:.1f} GiB on {cost.basis}; within a factor of two"),
        ("files", f"{cost.download_bytes / 1e9:.2f} GB of the model to download where it is not"
                  f" here, {cost.disk_bytes / 1e9:.2f} GB in the run's folder"),
        ("seed", f"{spec.seed}, spec {digest_of(spec)[:16]}"),
    ]  # fmt: skip
    if slow := spec.model.slow_evaluation:
        rows.insert(3, ("slow answers", slow))
    if spec.open is not None:
        rows.insert(2, ("division", f"open, changes {spec.open.described()}"))
    if train.codec is not None and traffic.plain_bytes:
        rows.insert(
            -2,
            (
                "codec",
                f"{described(train.codec)}:"
                f" {traffic.total_bytes:,} bytes of {traffic.plain_bytes:,} without,"
                f" {100 * traffic.total_bytes / traffic.plain_bytes:.2f} %",
            ),
        )
    if (private := _privacy(resolved)) is not None:
        from harness.pipeline.privacy import in_words

        rows.insert(-2, ("privacy", f"{in_words(private)}; by partitions of equal size"))
    if resolved.left_behind:
        rows.append(("left behind", ", ".join(resolved.left_behind)))
    if resolved.replaced:
        rows.append(("smoke", f"replaces {', '.join(resolved.replaced)}"))
    return rows


def _privacy(resolved: Resolved) -> PrivacyRecord | None:
    """What a private strategy promises; Flower is loaded for those alone."""
    from harness.pipeline.privacy import privacy_of

    clients = resolved.forecast.communication.clients_per_round
    rounds = [[1] * clients] * resolved.spec.train.rounds
    return privacy_of(resolved.spec, rounds, resolved.challenge.num_supernodes)


def _params(params: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in params.items())
