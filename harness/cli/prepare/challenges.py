"""`harness challenges`: the fixed values, each with its source."""

from __future__ import annotations

import click

from harness.boards.challenge import Challenge, challenge_names, load_challenge
from harness.document import digest_of, pretty_json


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def command(name: str | None, as_json: bool) -> None:
    """List the challenges, or show the fixed values of NAME."""
    if name is None:
        items = [load_challenge(item) for item in challenge_names()]
        rows = [
            {"id": item.id, "revision": item.revision, "date": item.date, "title": item.title}
            for item in items
        ]
        text = "\n".join(
            f"{row['id']:<12} revision {row['revision']}, {row['title']}" for row in rows
        )
        click.echo(pretty_json(rows) if as_json else text, nl=not as_json)
        return
    challenge = load_challenge(name)
    value = challenge.model_dump(mode="json") | {"digest": digest_of(challenge)}
    click.echo(pretty_json(value) if as_json else _details(challenge), nl=not as_json)


def _details(challenge: Challenge) -> str:
    rows = [
        ("challenge", f"{challenge.id}, revision {challenge.revision} ({challenge.date})"),
        ("data set", f"{challenge.dataset.name}, {challenge.dataset.pin.rows:,} rows"),
        ("supernodes", f"{challenge.num_supernodes}, {challenge.partitioner.kind} partitions"),
        ("communication", f"at most {challenge.communication.limit_mib:,} MiB"),
        ("evaluation", ", ".join(f"{item.task} ({item.rows})" for item in challenge.evaluation)),
        ("protocol", challenge.protocol.id),
    ]
    lines = [f"{name:<14} {value}" for name, value in rows]
    lines += [f"source         {key}: {text}" for key, text in challenge.sources.items()]
    return "\n".join(lines)
