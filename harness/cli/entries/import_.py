"""`harness import`: read an existing FlowerTune project as a claimed record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import mirror_option
from harness.document import pretty_json, write_atomic
from harness.document.toml_text import write_toml
from harness.errors import UsageError
from harness.record.file_names import CLAIM

if TYPE_CHECKING:
    from harness.claims.importing.evaluations import Execute


@click.command(name="import")
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "--challenge",
    metavar="NAME",
    help="Its board; default: as its data set or its files say.",
)
@click.option("--run", metavar="NAME", help="The evaluated run, where the project holds several.")
@click.option("--name", metavar="NAME", help="Name of the claim; default: the folder's.")
@click.option("--source", default="", metavar="URL", help="Where readers find the project.")
@click.option(
    "--recipe",
    "recipe",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write the project's recipe into, FILE.toml.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write claim.json into.")
@click.option("--execute", is_flag=True, help="Run the programs that it publishes, in a sandbox.")
@click.option(
    "--isolation",
    type=click.Choice(["required", "auto"]),
    help="With --execute: as of harness rescore. Default: required.",
)
@mirror_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print claim and findings as one JSON object."
)
def command(
    project: Path,
    challenge: str | None,
    run: str | None,
    name: str | None,
    source: str,
    recipe: Path | None,
    out: Path | None,
    execute: bool,
    isolation: Literal["required", "auto"] | None,
    mirror: Path | None,
    as_json: bool,
) -> None:
    """Read PROJECT, a FlowerTune project, and say what of its claims recomputes.

    PROJECT is its folder, or the app as `flwr build` packs it, FILE.fab. Nothing of it is executed,
    but for the programs of a board that scores programs where --execute asks for it: in a sandbox,
    with the official tests, which are looked up in --mirror, the Hugging Face cache and the hub.
    With --out, the claim is written as OUT/claim.json; with --recipe, its recipe, with a comment at
    every value that was not found or found in two versions. An app that `harness export` made, and
    a run's own folder, give their recipe whole.
    """
    from dataclasses import asdict

    if isolation is not None and not execute:
        raise UsageError("--isolation is of use with --execute only; add it")
    from harness.claims.as_recipe import differing, recipe_of_claim
    from harness.claims.exported_app import exported_spec, recipe_of_spec
    from harness.claims.findings import claim_findings
    from harness.claims.importing.claim import claim_name, import_project
    from harness.claims.importing.packed_app import unpacked

    with unpacked(project) as folder:
        named = name or claim_name(project.with_suffix("") if folder != project else project)
        claim = import_project(
            folder,
            challenge=challenge,
            run=run,
            name=named,
            source=source,
            execute=_executor(isolation or "required", mirror) if execute else None,
        )
        exported = exported_spec(folder, [])
    if recipe is not None:
        if exported is None:
            tree, comments = recipe_of_claim(claim)
        else:
            tree, said = recipe_of_spec(exported[1])
            comments = differing(claim) | said
        write_atomic(recipe, write_toml(tree, comments))
    findings = claim_findings(claim)
    if out is not None:
        write_atomic(out / CLAIM, pretty_json(claim.to_json()))
    if as_json:
        value = {"claim": claim.to_json(), "findings": [asdict(item) for item in findings]}
        click.echo(pretty_json(value), nl=False)
        return
    count = dict.fromkeys(("contradicts", "missing", "recomputes"), 0)
    for item in findings:
        count[item.kind] += 1
        click.echo(f"{item.kind:<11} {item.topic}: {item.found}; expected {item.expected}")
    click.echo(
        f"{claim.name} ({claim.challenge}): " + ", ".join(f"{n} {k}" for k, n in count.items())
    )


def _executor(isolation: Literal["required", "auto"], mirror: Path | None) -> Execute:
    """Return what executes the programs of a published file with their official tests."""
    from harness.scoring.execution import (
        execute_published,
        protocol_of_programs,
        require_toolchains,
    )
    from harness.sources.evaluation_sets import locate_evaluation_set
    from harness.sources.lookup import mirror_folder

    def execute(task: str, text: str, where: str) -> tuple[str, str]:
        require_toolchains([task])
        _, protocol = protocol_of_programs(task)
        tests, _ = locate_evaluation_set(protocol.challenge, task, mirror_folder(mirror))
        done = execute_published(task, text, where, tests, isolation)
        return "".join("1" if item.passed else "0" for item in done.verdicts), done.toolchain

    return execute
