"""`harness replicate`: a paper's relations, checked on small runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER, mirror_option
from harness.document import pretty_json
from harness.document.units import how_many
from harness.progress import say

if TYPE_CHECKING:
    from harness.replication.judging import Judged


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=FOLDER, help="Folder of real runs; default: runs/ and the file's name.")
@mirror_option
@click.option("--check", is_flag=True, help="Exit with 1 where a relation does not hold.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON value.")
def command(file: Path, out: Path | None, mirror: Path | None, check: bool, as_json: bool) -> None:
    """Check the relations of a paper that FILE.toml states, over several seeds.

    Each is said to hold, not to hold, or to be undecided by these seeds, with a 95 % interval.

    Example: harness replicate replications/fedex-lora.toml
    """
    from harness.document.toml_text import read_toml_document
    from harness.replication.judging import judge
    from harness.replication.replication import Replication

    replication = read_toml_document(Replication, file)
    if replication.engine == "run":
        from harness.replication.real_runs import run_real

        folder = out or Path("runs") / file.stem
        measured = run_real(replication, file.parent, folder, mirror=mirror, said=say)
    else:
        from harness.machine.versions import require_run_extra

        require_run_extra()
        from harness.replication.small_runs import run_small

        measured = {
            arm: {seed: run_small(replication, arm, seed) for seed in replication.seeds}
            for arm in replication.arms
        }
    judged = [judge(item, measured) for item in replication.relations]
    if as_json:
        click.echo(pretty_json([as_value(item) for item in judged]), nl=False)
    else:
        click.echo(f"{replication.title}\n{replication.paper}\n\n{as_text(judged)}")
    if check and any(item.verdict == "does not hold" for item in judged):
        raise SystemExit(1)


def as_value(item: Judged) -> dict[str, object]:
    """Return a judged relation as a JSON value."""
    return {
        **item.relation.model_dump(mode="json"),
        "verdict": item.verdict,
        "mean": item.mean,
        "half": item.half if item.half < float("inf") else None,
        "seeds": item.seeds,
    }


def as_text(judged: list[Judged]) -> str:
    """Return one block a relation."""
    lines = []
    for item in judged:
        relation = item.relation
        sides = f" of {relation.left}" + (f" and {relation.right}" if relation.right else "")
        what = {"order": "right - left", "ratio": "left / right", "exact": "largest"}
        number = f"{item.mean:.4g}" + ("" if relation.kind == "exact" else f" ± {item.half:.2g}")
        lines += [
            f"{item.verdict:<14} {relation.says}",
            f"               {relation.measure}{sides}, {what[relation.kind]}: {number} over"
            f" {how_many(item.seeds, 'seed')}; {relation.source}",
        ]
    return "\n".join(lines)
