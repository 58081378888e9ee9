"""`harness rescore`: a score from a generations file alone."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from harness.boards.board import board_names, load_board
from harness.cli.options import mirror_option
from harness.document import pretty_json, write_atomic
from harness.document.units import how_many
from harness.errors import SourceError, UsageError


@click.command()
@click.argument("task")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--execute", is_flag=True, help="Run the programs of FILE, in a sandbox.")
@click.option(
    "--isolation",
    type=click.Choice(["required", "auto"]),
    help="With --execute: refuse a machine that cannot isolate programs completely, or take"
    " what there is and say what is missing. Default: required.",
)
@click.option(
    "--verdicts",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --execute: write the JSON object, with a verdict for each program, here.",
)
@click.option(
    "--write", is_flag=True, help="With --execute: write the earned rung into the submission FILE."
)
@mirror_option
def command(
    task: str,
    file: Path,
    as_json: bool,
    execute: bool,
    isolation: str | None,
    verdicts: Path | None,
    write: bool,
    mirror: Path | None,
) -> None:
    """Recompute the score of FILE, the generations of TASK, upstream's file or ours.

    FILE may be the folder of a run or a submission, whose generations of TASK are read; TASK may
    then be a board, for all of its sets. Checks that rows and order are the official ones. Needs no
    model and no data set.

    Where outputs are programs, --execute runs each with its tests, which are looked up in --mirror,
    the Hugging Face cache and the hub. Programs have no network and see no file of yours. With
    --write, a submission whose programs all gave the recorded verdicts again gets its rung.
    """
    whole = task in board_names()
    if whole and not file.is_dir():
        raise UsageError(f"{file}: {task} is a board; give a folder with the generations of it")
    if not execute and (isolation is not None or verdicts is not None or write):
        raise UsageError(
            "--isolation, --verdicts and --write are of use with --execute only; add it"
        )
    if write and not whole:
        raise UsageError("--write needs every set of a board: name the board in place of TASK")
    tasks = list(load_board(task).rows) if whole else [task]
    show = executed_as_text if execute else as_text
    if execute:
        results = _executed(task, tasks, file, isolation or "required", mirror, write)
    else:
        from harness.scoring.rescore import rescore

        results = {name: rescore(name, file) for name in tasks}
    value = results if whole else results[task]
    if verdicts is not None:
        write_atomic(verdicts, pretty_json(value))
    text = pretty_json(value) if as_json else "\n\n".join(map(show, results.values()))
    click.echo(text, nl=not as_json)


def _executed(
    board: str, tasks: list[str], file: Path, isolation: str, mirror: Path | None, write: bool
) -> dict[str, dict[str, Any]]:
    """Execute the programs of some sets; write the rung of a submission where that is asked.

    Args:
        board: of all these sets, where the rung is to be written.
        tasks: evaluation sets.
        file: published generations, or a folder of them.
        isolation: "required" or "auto".
        mirror: local copy of hub files, or None.
        write: whether `file` is a submission that gets its rung.
    """
    from harness.scoring.execution import require_toolchains

    if len(tasks) > 1:
        require_toolchains(tasks)
    if not write:
        return {task: executed(task, file, isolation, mirror) for task in tasks}
    from harness.submissions.executed import refuse_to_write, write_executed

    submission = refuse_to_write(file, board)
    results = {task: executed(task, file, isolation, mirror) for task in tasks}
    target = write_executed(submission, results, _typed(board, file))
    click.echo(f"rung rescored written: {target}", err=True)
    return results


def _typed(board: str, file: Path) -> str:
    """Return the command as it was typed; in plain form where something else stood before it."""
    plain = [board, str(file), "--execute", "--write"]
    words = sys.argv[2:] if sys.argv[1:2] == ["rescore"] else plain
    return shlex.join(["harness", "rescore", *words])


def executed(task: str, file: Path, isolation: Any, mirror: Path | None) -> dict[str, Any]:
    """Find the tests of a set, and execute the programs of a file with them.

    Args:
        task: evaluation set.
        file: published generations.
        isolation: "required" or "auto".
        mirror: local copy of hub files, or None.
    """
    from harness.scoring.execution import protocol_of_programs, rescore_programs
    from harness.sources.evaluation_sets import locate_evaluation_set
    from harness.sources.lookup import mirror_folder

    _, protocol = protocol_of_programs(task)
    try:
        tests, _ = locate_evaluation_set(protocol.challenge, task, mirror_folder(mirror))
    except SourceError:
        if file.is_file() and file.suffix == ".json":
            protocol.generations(task, file)  # What is wrong with the file itself comes first.
        raise
    rows = len(protocol.pinned[task])
    with click.progressbar(length=rows, label=task, file=sys.stderr, show_pos=True) as bar:
        return rescore_programs(task, file, tests, isolation, lambda *_: bar.update(1))


def percent(value: float | None) -> str:
    """Return a fraction in percent."""
    return "unknown: the file keeps no raw text" if value is None else f"{100 * value:.2f} %"


def worth(result: dict[str, Any]) -> str:
    """Return standard error and interval of a score."""
    low, high = result["interval"]
    return (
        f"standard error {percent(result['stderr'])},"
        f" 95 % interval {percent(low)} to {percent(high)}"
    )


def in_lines(rows: list[tuple[str, str]]) -> str:
    """Return names and values, one pair a line."""
    return "\n".join(f"{name:<14} {value}" for name, value in rows)


def as_text(result: dict[str, Any]) -> str:
    """Return a score as lines for people, in percent."""
    rows = [
        ("task", f"{result['task']}, {how_many(result['examples'], 'row')} ({result['rows']})"),
        ("accuracy", f"{percent(result['accuracy'])} ({result['correct']} right)"),
        ("worth", worth(result)),
    ]
    if "macro_f1" in result:
        rows.append(("macro-F1", percent(result["macro_f1"])))
    if "mcc" in result:
        rows.append(("MCC", f"{result['mcc']:.4f}"))
    rows.append(("no answer", percent(result["invalid_rate"])))
    rows += [(name.replace("_", " "), percent(v)) for name, v in result["references"].items()]
    rows += [(name, percent(v)) for name, v in result.get("subsets", {}).items()]
    return in_lines(rows)


def executed_as_text(result: dict[str, Any]) -> str:
    """Return the score of executed programs as lines for people, in percent."""
    least, most = result["passed_on_other_machines"]
    count, isolation = result["examples"], result["isolation"]
    outcomes = Counter(each["attempts"][-1]["outcome"] for each in result["verdicts"])
    again = f"; {result['run_again']} ran out of time and were run again, alone"
    held = [f"{name} {value}" for name, value in isolation.items() if name != "missing"]
    missing = "; ".join(isolation["missing"])
    programs = how_many(count, "program")
    rows = [
        ("task", f"{result['task']}, {programs} ({result['rows']} prompts and tests)"),
        (result["metric"], f"{percent(result['accuracy'])} ({result['correct']}/{count} passed)"),
        ("worth", worth(result)),
        ("not passed", f"{outcomes['failed']} failed, {outcomes['timed out']} timed out"),
        (
            "other machines",
            f"{least} to {most} passed ({percent(least / count)} to {percent(most / count)}) on one"
            " of half or twice the speed",
        ),
        (
            "executed",
            f"{result['toolchain']}, {result['workers']} at once, {result['wall_s']:.1f} s"
            + (again if result["run_again"] else ""),
        ),
        (
            "isolation",
            ("complete: " if result["isolation_complete"] else "incomplete: ")
            + ", ".join(held)
            + (f"; missing: {missing}" if missing else ""),
        ),
    ]
    if others := result["otherwise"]:
        verdicts = how_many(len(others), "stated verdict")
        rows.append(("otherwise", f"{verdicts}, the first of row {others[0]}"))
    stated = result["stated"]
    if stated is not None:
        same = "the same" if stated["equal"] else "another value"
        rows.append(("stated", f"{stated['value'] or 'nothing'} in {stated['file']}: {same}"))
        rows += [("not official", setting) for setting in stated["settings"]]
    return in_lines(rows)
