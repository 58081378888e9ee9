"""`harness evaluate`: evaluate a run directory, or finish what a killed evaluation began."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from harness.document.units import MIB
from harness.errors import OtherAnswersError, UsageError
from harness.progress import say
from harness.record.file_names import ASSETS, SCORES
from harness.record.score import Score, Scores

REFERENCES = {"empty_answer": "empty", "best_constant": "best const."}
"""Answer that needs no model -> heading, where its name is too long for one."""


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Default: the run's.")
@click.option("--threads", type=click.IntRange(1), help="torch threads; default: all processors.")
@click.option("--untrained", is_flag=True, help="The base model, in RUN_DIR/untrained.")
@click.option("--round", "number", type=click.IntRange(1),
              help="A kept round's adapter, in RUN_DIR/rounds/K.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print scores.json.")
def command(
    run_dir: Path, device: str | None, threads: int | None, untrained: bool, number: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Evaluate RUN_DIR where it stopped; rows that are there are never generated again.

    Runs in a process that loads no plugin. Nothing is loaded when all rows are there; those of a
    finished run are shown as they are, whatever versions gave them. With --untrained the base model
    answers the same rows without the adapter, and what the training changed is shown. With --round
    an earlier round's adapter answers them; which round is best is told by other rows: harness
    frontier RUN_DIR.
    """
    from harness.machine.versions import require_run_extra

    require_run_extra()
    from harness.document import pretty_json, read_document
    from harness.evaluation.sealed.evaluator import Evaluator

    digest = None
    if number is not None:
        from harness.frontier.kept_rounds import round_folder

        if untrained:
            raise UsageError("--untrained and --round exclude each other; name one")
        run_dir, digest = round_folder(run_dir, number)
    with Evaluator(threads) as evaluator:
        # Python begins there, and reads the model, while this process still imports.
        evaluator.start(ahead=False, files=_weights(run_dir))
        import tabulate  # noqa: F401  # for the end; meanwhile the model is read

        from harness.evaluation.sealed.launch import evaluate_run

        try:
            scores = evaluate_run(
                run_dir, device, untrained=untrained, adapter_sha256=digest, evaluator=evaluator
            ).scores
        except OtherAnswersError as error:
            if device is not None:
                raise
            say(str(error))
            scores = read_document(Scores, run_dir / SCORES)
    if as_json:
        click.echo(pretty_json(scores.model_dump(mode="json")), nl=False)
        return
    click.echo(as_text(scores))
    if untrained and (run_dir / SCORES).is_file():
        click.echo(gains(read_document(Scores, run_dir / SCORES), scores))


def _weights(run_dir: Path) -> list[Path]:
    """Return the files of a run's model that take long to read; none where nothing names them."""
    try:
        with (run_dir / ASSETS).open("rb") as file:
            assets = json.loads(file.read(MIB))
        return sorted(Path(assets["model_dir"]).glob("*.safetensors"))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return []  # what is wrong with the file is said where it is read whole


def gains(trained: Scores, untrained: Scores) -> str:
    """Return what the training changed, a line per measure and set, in percent and points.

    Versions that the two were not answered with alike stand below.
    """
    from tabulate import tabulate

    before = {(item.metric, item.task): item for item in untrained.scores}
    rows = [
        (
            _measure(item),
            item.task,
            f"{100 * before[item.metric, item.task].value:.2f}",
            f"{100 * item.value:.2f}",
            f"{100 * (item.value - before[item.metric, item.task].value):+.2f}",
        )
        for item in trained.scores
    ]
    headers = ("measure", "set", "untrained", "trained", "gain")
    table = tabulate(rows, headers, disable_numparse=True)
    names = sorted(trained.packages.keys() | untrained.packages.keys())
    versions = [(name, untrained.packages.get(name), trained.packages.get(name)) for name in names]
    others = [f"{name} {a or 'none'} and {b or 'none'}" for name, a, b in versions if a != b]
    if not others:
        return f"\n{table}"
    return f"\n{table}\n\nNot training alone: they were answered with {', '.join(others)}."


LEGEND = {
    "%": "%: right answers by upstream's reading, beside its 95 % interval over the rows",
    "log-lik.": "log-lik.: where the right label is the likelier",
    "MCC": "MCC: 0 is chance, 1 is all",
    "none %": "none: answers without a label",
    "best const.": "{references}: what needs no model",
    "leaked": "leaked: rows that are, or whose text is, in the training data",
    "clean %": "clean %: without those",
}
"""What a column or a line is called -> what is said of it below the tables."""


def as_text(scores: Scores) -> str:
    """Return the scores as two tables for people, at most 80 columns wide, and what they mean.

    A column in which no set has a value is left out, and what would explain it.
    """
    references = list(dict.fromkeys(name for item in scores.scores for name in item.references))
    first = ("measure", "set", "rows", "%", "95 % interval", "macro-F1", "MCC")
    headings = [REFERENCES.get(name, name.replace("_", " ")) for name in references]
    beside = ("set", "none %", *headings, "leaked", "clean %")
    official = [item for item in scores.scores if item.metric == "accuracy"]
    tables = [
        _table(first, list(map(_line, scores.scores))),
        _table(beside, [_beside(item, references) for item in official]),
    ]
    shown = "\n\n".join(tables)
    meant = "; ".join(said for name, said in LEGEND.items() if name in shown)
    named = meant.format(references=", ".join(headings))
    return f"{shown}\n\n{textwrap.fill(f'{named}.', 79)}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    kept = [place for place in range(len(headings)) if any(row[place] for row in rows)]
    lines = [[row[place] for place in kept] for row in rows]
    return tabulate(lines, [headings[place] for place in kept], disable_numparse=True)


def _measure(item: Score) -> str:
    return "official" if item.metric == "accuracy" else "log-lik."


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def _line(item: Score) -> tuple[str, ...]:
    low, high = item.interval
    return (
        _measure(item),
        item.task,
        str(item.examples),
        _percent(item.value),
        f"{_percent(low)} to {_percent(high)}",
        _percent(item.macro_f1),
        "" if item.mcc is None else f"{item.mcc:.3f}",
    )


def _beside(item: Score, references: Sequence[str]) -> tuple[str, ...]:
    leak = item.leak
    return (
        item.task,
        _percent(item.invalid_rate),
        *(_percent(item.references.get(name)) for name in references),
        "" if leak is None else f"{leak.exact_rows}/{leak.text_rows}",
        "" if leak is None else _percent(leak.clean_value),
    )
