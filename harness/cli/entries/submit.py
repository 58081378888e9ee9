"""`harness submit`: write a run directory as a submission folder."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the submission; default: plugin, recipe and spec digest.")
@click.option("--submissions", type=click.Path(path_type=Path), default=Path("submissions"),
              show_default=True, help="Folder of the submissions.")  # fmt: skip
def command(run_dir: Path, name: str | None, submissions: Path) -> None:
    """Write RUN_DIR as a self-contained folder under submissions/<challenge>/.

    Refuses what `harness verify` refuses, smoke runs, and runs over a part of the rows. Prompts are
    left out of the generations.
    """
    from harness.submissions.submit import RefusedError, submit

    try:
        folder = submit(run_dir, submissions, name)
    except RefusedError as error:
        for item in error.findings:
            click.echo(
                f"[{item.rule}] {item.path}: {item.found}; expected {item.expected}", err=True
            )
        for line in error.verdict.lines() if error.verdict is not None else ():
            click.echo(line, err=True)
        raise
    click.echo(str(folder))
