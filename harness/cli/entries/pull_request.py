"""`harness pull-request`: judge a pull request with a submission, from git's objects alone."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(name="pull-request")
@click.option("--base", required=True, metavar="COMMIT", help="What it is to be merged into.")
@click.option("--head", required=True, metavar="COMMIT", help="What it brings.")
@click.option("--account", default="", metavar="HANDLE",
              help="Who opened it, on GitHub: what they filed they may amend.")  # fmt: skip
@click.option("--repository", type=click.Path(path_type=Path, file_okay=False), default=Path(),
              help="A clone that holds both; default: here.")  # fmt: skip
@click.option("--comment", "file", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the Markdown here, not to stdout.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    base: str, head: str, account: str, repository: Path, file: Path | None, as_json: bool
) -> None:
    """Say whether HEAD adds submissions to BASE and changes nothing else.

    The head is read as data: nothing of it is checked out or executed. New folders are verified,
    and the tables are compared with those of BASE. Exits with 1 where something stands
    against it.
    """
    from harness.document import pretty_json, write_atomic
    from harness.pull_request.comment import comment
    from harness.pull_request.judge import judge

    found = judge(repository, base, head, account)
    text = comment(found)
    if file is not None:
        write_atomic(file, text)
    if as_json:
        value = {"accepted": found.accepted, "comment": text}
        click.echo(pretty_json(value), nl=False)
    elif file is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{file}: {'accepted' if found.accepted else 'not accepted'}")
    if not found.accepted:
        sys.exit(1)
