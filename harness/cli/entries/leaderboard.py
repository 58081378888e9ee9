"""`harness leaderboard`: generate the tables and pages from the submissions."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click


@click.command()
@click.option("--submissions", type=click.Path(path_type=Path), default=Path("submissions"),
              show_default=True, help="Folder of the submissions.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("leaderboard"),
              show_default=True, help="Folder of the generated files.")  # fmt: skip
@click.option("--repository", default="", metavar="URL",
              help="Address to clone, linked from the pages.")  # fmt: skip
@click.option("--verifier", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Folder with Pyodide and wheels: adds a page that checks.")  # fmt: skip
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file is stale.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    submissions: Path,
    out: Path,
    repository: str,
    verifier: Path | None,
    check: bool,
    as_json: bool,
) -> None:
    """Verify every submission and generate Markdown, CSV, JSON and one HTML page a challenge."""
    from harness.document import pretty_json
    from harness.leaderboard.build import build, stale, write
    from harness.leaderboard.page.site import Site, submissions_seen_from
    from harness.leaderboard.verifier.bundle import verifier_files, write_verifier

    runtime = {} if verifier is None else verifier_files(verifier)
    place = submissions_seen_from(out, submissions)
    files, refused = build(submissions, Site(repository, sum(map(len, runtime.values())), place))
    if not place and not check:
        beside = shlex.quote(str(out.parent / "submissions"))
        click.echo(
            "the pages link to no files of the entries, since these do not lie beside them; to have"
            f" the links, first: cp -r {shlex.quote(str(submissions))} {beside}",
            err=True,
        )
    for text in refused:
        click.echo(f"refused {text}", err=True)
    if refused:
        click.echo(f"why: harness verify {shlex.quote(str(submissions))}", err=True)
    old = stale(files, out) if check else []
    if as_json:
        if not check:
            write(files, out)
            write_verifier(runtime, out)
        value = {"files": sorted(files), "refused": list(refused), "stale": list(old)}
        click.echo(pretty_json(value), nl=False)
        if old or refused:
            sys.exit(1)
        return
    if check:
        for name in old:
            click.echo(f"stale {out / name}")
        if old or refused:
            click.echo("run: harness leaderboard", err=True)
            sys.exit(1)
        click.echo(f"{len(files)} files are up to date")
        return
    write(files, out)
    write_verifier(runtime, out)
    click.echo(f"{len(files)} files in {out}")
    if refused:
        sys.exit(1)
