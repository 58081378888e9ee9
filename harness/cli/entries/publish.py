"""`harness publish`: upload a run's adapter, card and record to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--repository", required=True, metavar="OWNER/NAME", help="Repository on the hub.")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--update", is_flag=True, help="Upload into a repository that holds something else.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False),
              help="Write what is published into this folder too.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Upload nothing; no network.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    run_dir: Path, repository: str, private: bool, update: bool, folder: Path | None, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Upload adapter, card and record of RUN_DIR. Uses the account of `hf auth login`.

    Scores go along as `.eval_results` of the hub and as a record of Every Eval Ever. Refuses what
    `harness verify` refuses; generations stay here, they hold text of the sets. Where the adapter
    lies is noted for `harness submit`.

    Example: harness publish runs/mine --repository me/adapter --dry-run
    """
    from harness.document import pretty_json
    from harness.publishing.publish import publication

    found = publication(run_dir, repository)
    if folder is not None:
        found.write(folder)
    done = None if dry_run else found.upload(private, update)
    if as_json:
        value = {
            "repository": repository,
            "files": sorted(found.files),
            "uploaded": None if done is None else done.model_dump(mode="json", by_alias=True),
            "left_out": found.left_out or None,
        }
        click.echo(pretty_json(value), nl=False)
        return
    verb = "would upload" if done is None else "uploaded"
    click.echo(f"{verb} to {repository}: {', '.join(sorted(found.files))}")
    if found.left_out:
        click.echo(f"no scores for others to read: {found.left_out}", err=True)
    if done is not None:
        click.echo(done.address)
