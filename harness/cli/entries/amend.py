"""`harness amend`: change what a filed entry says of its people and links, or withdraw it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("submission", type=click.Path(path_type=Path))
@click.option("--withdraw", metavar="REASON", help="Take it out of the ranks, for this reason.")
@click.option("--author-name", "name", metavar="NAME", help="The name of you or your team.")
@click.option("--affiliation", help="Where you work.")
@click.option("--licence", metavar="SPDX", help="The adapter's licence: Apache-2.0, CC-BY-4.0 ...")
@click.option("--code", metavar="URL", help="https:// link to the plugin's sources.")
@click.option("--paper", metavar="URL", help="https:// link to a paper.")
@click.option("--json", "as_json", is_flag=True, help="Print what it says now, as JSON.")
def command(
    submission: Path, withdraw: str | None, as_json: bool, **stated: str | None
) -> None:  # fmt: skip
    """Change what SUBMISSION says of its people and links, or withdraw it.

    SUBMISSION is your entry's folder, submissions/<board>/<name>. Send it as a pull request from
    the account that it names as its author. Record, answers, evidence and name stay; a withdrawn
    entry is shown with the reason and has no rank, and a withdrawal stays.
    """
    from harness.document import pretty_json
    from harness.submissions.amend import amend

    found = amend(submission, stated, withdraw)
    if as_json:
        value = found.model_dump(mode="json", by_alias=True, exclude_none=True)
        click.echo(pretty_json(value), nl=False)
    else:
        click.echo(f"{submission}: {found.withdrawal or 'amended'}")
