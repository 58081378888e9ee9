"""`harness publish`: upload a run's adapter, card and record to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.publishing.gguf_file import Kind
    from harness.publishing.same_labels import LabelCheck

SHOWN = 10
"""Rows with another label that are printed of each form."""


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--repository", required=True, metavar="OWNER/NAME", help="Repository on the hub.")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--update", is_flag=True, help="Upload into a repository that holds something else.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False),
              help="Write what is published into this folder too.")  # fmt: skip
@click.option("--merged", is_flag=True, help="The merged model too, float32 safetensors.")
@click.option("--gguf", "kinds", multiple=True, type=click.Choice(["f32", "f16", "q8_0"]),
              help="The merged model as GGUF too; repeatable, needs [gguf].")  # fmt: skip
@click.option("--check-rows", type=click.IntRange(1), default=512, show_default=True,
              help="Rows on which each of those must give the record's labels.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Upload nothing; no network.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    run_dir: Path, repository: str, private: bool, update: bool, folder: Path | None, dry_run: bool,
    as_json: bool, merged: bool, kinds: tuple[Kind, ...], check_rows: int,
) -> None:  # fmt: skip
    """Upload adapter, card and record of RUN_DIR. Uses the account of `hf auth login`.

    With --merged and --gguf the model goes along in other forms. Each answers rows of the
    evaluation first, and rows whose label is not the record's are listed.

    Scores go along as `.eval_results` of the hub and as a record of Every Eval Ever. Refuses what
    `harness verify` refuses; generations stay here, they hold text of the sets. Where the adapter
    lies is noted for `harness submit`.

    Example: harness publish runs/mine --repository me/adapter --dry-run
    """
    from harness.document import pretty_json
    from harness.publishing.publish import publication

    checks: tuple[LabelCheck, ...] = ()
    forms: dict[str, Path | bytes] = {}
    if merged or kinds:
        from harness.publishing.model_forms import model_forms

        publication(run_dir, repository)  # what is refused is refused before anything is made
        made = model_forms(run_dir, merged, kinds, check_rows)
        checks, forms = made.checks, made.files
    found = publication(run_dir, repository, forms)
    if folder is not None:
        found.write(folder)
    done = None if dry_run else found.upload(private, update)
    if as_json:
        value = {
            "repository": repository,
            "files": sorted(found.files),
            "uploaded": None if done is None else done.model_dump(mode="json", by_alias=True),
            "left_out": found.left_out or None,
            "same_labels": [item.model_dump(mode="json") for item in checks],
        }
        click.echo(pretty_json(value), nl=False)
        return
    verb = "would upload" if done is None else "uploaded"
    click.echo(f"{verb} to {repository}: {', '.join(sorted(found.files))}")
    for item in checks:
        click.echo(as_text(item))
    if found.left_out:
        click.echo(f"no scores for others to read: {found.left_out}", err=True)
    if done is not None:
        click.echo(done.address)


def as_text(check: LabelCheck) -> str:
    """Return what became of one form: how many labels are the record's, and which rows flip."""
    lines = [f"{check.form}: {check.equal} of {check.rows} labels are the record's"]
    for flip in check.flips[:SHOWN]:
        margin = "" if flip.margin is None else f", margin {flip.margin:.3f}"
        pad = ", read off a pad by the official protocol" if flip.off_a_pad else ""
        lines.append(f"  {flip.task} row {flip.row}: {flip.found}, not {flip.record}{margin}{pad}")
    if len(check.flips) > SHOWN:
        lines.append(f"  {len(check.flips) - SHOWN} more in same_labels.json")
    return "\n".join(lines)
