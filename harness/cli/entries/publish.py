"""`harness publish`: upload a run's adapter and card to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--repository", required=True, help="owner/name on the hub.")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--dry-run", is_flag=True, help="Say what would be uploaded.")
def command(run_dir: Path, repository: str, private: bool, dry_run: bool) -> None:
    """Upload adapter, card and record of RUN_DIR. Uses the account of `hf auth login`.

    Refuses what `harness verify` refuses; generations stay here, they hold text of the sets.
    """
    from harness.pipeline.publish import publish

    names = publish(run_dir, repository, private, dry_run)
    verb = "would upload" if dry_run else "uploaded"
    click.echo(f"{verb} to {repository}: {', '.join(names)}")
