"""`harness submit`: write a run directory as a submission folder."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option(
    "--name",
    metavar="NAME",
    help="Its name; default: plugin, recipe and spec digest.",
)
@click.option("--submissions", type=click.Path(path_type=Path), default=Path("submissions"),
              show_default=True, help="Folder of the submissions.")  # fmt: skip
@click.option("--author", metavar="HANDLE", help="Your account on GitHub.")
@click.option("--author-name", metavar="NAME", help="Your name, if you want it shown.")
@click.option("--affiliation", help="Where you work, if you want it shown.")
@click.option("--licence", metavar="SPDX", help="The adapter's licence: Apache-2.0, CC-BY-4.0 ...")
@click.option("--adapter", metavar="OWNER/NAME[@REVISION]",
              help="Repository on the hub that holds the adapter.")  # fmt: skip
@click.option("--code", metavar="URL", help="https:// link to the plugin's sources.")
@click.option("--paper", metavar="URL", help="https:// link to a paper.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--weights", is_flag=True, help="Put the adapter into the folder; at most 4 MiB.")
def command(
    run_dir: Path, name: str | None, submissions: Path, author: str | None,
    author_name: str | None, affiliation: str | None, adapter: str | None, weights: bool,
    as_json: bool, **links: str | None,
) -> None:  # fmt: skip
    """Write RUN_DIR as a self-contained folder under submissions/<challenge>/.

    Refuses what `harness verify` refuses, smoke runs, and runs over a part of the rows. Prompts are
    left out of the generations. Send the folder alone as a pull request: tables and pages are made
    of it afterwards.
    """
    from harness.document import pretty_json
    from harness.errors import UsageError
    from harness.submissions.submit import RefusedError, submit

    if author is None and (author_name or affiliation):
        raise UsageError("--author-name and --affiliation need --author, your account on GitHub")
    person = {"handle": author, "name": author_name, "affiliation": affiliation}
    repository, _, revision = (adapter or "").partition("@")
    stated = {
        **links,
        "author": None if author is None else person,
        "adapter": None
        if adapter is None
        else {"repository": repository, "revision": revision or "main"},
    }
    try:
        folder = submit(run_dir, submissions, name, stated, weights)
    except RefusedError as error:
        for item in error.findings:
            click.echo(
                f"[{item.rule}] {item.path}: {item.found}; expected {item.expected}", err=True
            )
        for line in error.verdict.lines() if error.verdict is not None else ():
            click.echo(line, err=True)
        raise
    click.echo(pretty_json({"folder": str(folder)}) if as_json else str(folder), nl=not as_json)
