"""A sweep runs every cell once, goes on where it stopped, and shows mean and spread."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import stdev

import pytest
from clean_submission import Submission
from click.testing import CliRunner

from harness.cli import cli
from harness.document import pretty_json
from harness.document.toml_text import read_toml_document
from harness.document.units import GIB
from harness.errors import UsageError
from harness.machine.machine import Machine
from harness.side_by_side.cell_processes import CellProcesses, at_once, other_run
from harness.side_by_side.sweep import CellResult, groups_of, run_sweep
from harness.side_by_side.sweep_file import MAX_CELLS, Cell, Sweep, cells_of

SWEEP = """
recipe = "smollm2-dora/135m"
smoke = true
device = "cpu"
settings = { "peft.r" = 4 }
[grid]
strategy = ["standard/fedavg", "standard/fedprox"]
seed = [1, 2, 3]
"""


def write(folder: Path, text: str = SWEEP) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def cells(folder: Path, text: str = SWEEP) -> list[Cell]:
    return cells_of(read_toml_document(Sweep, write(folder, text)), folder)


class Starts:
    """Stands for the command `harness`: writes a result, or fails where it is told to."""

    def __init__(self, failing: str = "no cell") -> None:
        self.failing = failing
        self.calls: list[Sequence[str]] = []

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.calls.append(arguments)
        folder = Path(
            arguments[arguments.index("--resume" if "--resume" in arguments else "--out") + 1]
        )
        folder.mkdir(parents=True, exist_ok=True)
        made = Submission(seed=1 + len(self.calls))
        (folder / "spec.json").write_text(pretty_json(made.record["spec"]))
        if self.failing in folder.name:
            return 6, "error: a client failed; resume the run"
        (folder / "result.json").write_text(pretty_json(made.record))
        return 0, ""


def test_a_grid_is_every_combination_and_each_a_command(tmp_path: Path) -> None:
    found = cells(tmp_path)
    assert len(found) == 6
    assert found[0].arguments == (
        "--plugin", "smollm2-dora/135m", "--smoke", "--device", "cpu", "--set", "peft.r=4",
        "--set", 'strategy="standard/fedavg"', "--seed", "1",
    )  # fmt: skip
    assert len({cell.name for cell in found}) == 6
    listed = CliRunner().invoke(cli, ["sweep", str(tmp_path / "sweep.toml"), "--dry-run"])
    typed = [shlex.split(line.partition(": ")[2]) for line in listed.stdout.splitlines()]
    assert typed == [["harness", "run", *cell.arguments] for cell in found]


def test_every_cell_of_a_sweep_is_a_run_that_can_be_planned(tmp_path: Path) -> None:
    """What `harness run` is given is what `harness plan` takes."""
    for cell in cells(tmp_path)[::3]:
        done = CliRunner().invoke(cli, ["plan", *cell.arguments])
        assert done.exit_code == 0, done.output


def test_a_list_has_the_cells_that_it_names(tmp_path: Path) -> None:
    text = 'recipe = "mine.toml"\n[[runs]]\nrounds = 1\n[[runs]]\nrounds = 2\nlr = 1e-3\n'
    first, second = cells(tmp_path, text)
    assert first.arguments[0] == str(tmp_path / "mine.toml")
    assert second.name == "rounds-2_lr-0.001"


def test_finished_cells_are_left_and_begun_ones_resumed(tmp_path: Path) -> None:
    found = cells(tmp_path)
    failing = Starts(found[1].name)
    results = run_sweep(found, tmp_path / "out", start=failing)
    assert [item.record is None for item in results] == [False, True, False, False, False, False]
    assert results[1].problem == "exit 6: error: a client failed; resume the run"
    again = Starts()
    results = run_sweep(found, tmp_path / "out", start=again)
    assert all(item.record is not None for item in results)
    assert again.calls == [["run", "--resume", str(tmp_path / "out" / found[1].name)]]


def test_a_folder_with_a_run_of_other_settings_is_not_taken_for_a_cell_s(tmp_path: Path) -> None:
    """A sweep's file that was edited would else get the figures of the file of before."""
    [first, *_] = cells(tmp_path)
    planned = CliRunner().invoke(cli, ["plan", *first.arguments, "--json"])
    folder = tmp_path / "out" / first.name
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(json.loads(planned.stdout)["spec"]))
    assert other_run(first, folder, None) is None
    [edited, *_] = cells(tmp_path, SWEEP.replace('"peft.r" = 4', '"peft.r" = 8'))
    assert edited.name == first.name
    said = other_run(edited, folder, None)
    assert said is not None
    assert "other settings than the sweep's file has now (peft); name another folder" in said
    starts = Starts()
    [result] = run_sweep(
        [edited], tmp_path / "out", start=starts, differs=lambda cell, folder: "of another"
    )
    assert (result.record, result.problem, starts.calls) == (None, "of another", [])


def test_seeds_are_gathered_with_their_mean_and_spread(tmp_path: Path) -> None:
    results = run_sweep(cells(tmp_path), tmp_path / "out", start=Starts(), jobs=2)
    groups = groups_of([*results[:5], CellResult(results[5].cell, None, "gone")])
    assert {len(group.averages) for group in groups} == {2, 3}
    whole = next(group for group in groups if len(group.averages) == 3)
    assert whole.spread == pytest.approx(stdev(whole.averages))
    assert {group.missing for group in groups} == {0, 1}
    assert [group.mean for group in groups] == sorted((g.mean for g in groups), reverse=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SWEEP.replace("[1, 2, 3]", "[1, 2, 1]"), "cells 1 and 3 are equal"),
        ('recipe = "a"\n', "a [grid] or [[runs]]"),
        (SWEEP + "[[runs]]\nrounds = 1\n", "one of the two"),
        (
            'recipe = "a"\n[[runs]]\nlr = 1e-3\n[[runs]]\nlearning_rate_max = 0.001\nseed = 2026\n',
            "cells 1 and 2 are equal (lr=0.001; learning_rate_max=0.001, seed=2026)",
        ),
        (SWEEP.replace("seed = [1, 2, 3]", "r = [4]"), "cell 1 (strategy=standard/fedavg, r=4)"),
        (
            SWEEP.replace("seed =", "sead ="),
            "cell 1 (strategy=standard/fedavg, sead=1): --set sead",
        ),
        (SWEEP.replace("[1, 2, 3]", "[1, -2]"), "seed=-2): a seed is a whole number from 0 to"),
        (SWEEP.replace("[1, 2, 3]", "[1, 2147483648]"), "to 2147483647 (found 2147483648)"),
        (SWEEP.replace("[1, 2, 3]", "[1, true]"), "(found True)"),
        (SWEEP.replace("[1, 2, 3]", "[]"), "grid"),
        (SWEEP.replace("recipe", "recipee"), "recipe"),
        (SWEEP.replace('"cpu"', "nan"), "no finite number"),
        ("[", "not TOML"),
    ],
)
def test_what_is_wrong_in_a_sweep_is_said(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        cells(tmp_path, text)
    assert said in str(caught.value)


@pytest.mark.parametrize(("count", "refused"), [(MAX_CELLS, False), (MAX_CELLS + 1, True)])
def test_a_sweep_has_1000_cells_at_most(count: int, refused: bool, tmp_path: Path) -> None:
    text = f'recipe = "a"\n[grid]\nseed = {list(range(count))}\n'
    if refused:
        with pytest.raises(UsageError, match="1000 at most"):
            cells(tmp_path, text)
    else:
        assert len(cells(tmp_path, text)) == count


def test_a_cell_that_cannot_start_is_its_last_line_and_the_exit_code(tmp_path: Path) -> None:
    with CellProcesses() as runs:
        code, line = runs(["run", "--plugin", "nothing"])
    assert code in (3, 4)
    assert line.startswith("error: ")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("settings", "cell", "reason"),
    [
        ('rounds = [2, "many"]', "rounds-many", "expected a whole number"),
        ('strategy = ["standard/fedavg", "standard/nosuch"]', "nosuch", "has no strategy"),
        ("rounds = [2, 100000]", "rounds-100000", "communication-limit"),
    ],
)
def test_a_cell_that_cannot_run_is_told_before_the_first_run(
    settings: str, cell: str, reason: str, dry: tuple[str, ...], tmp_path: Path
) -> None:
    """Else it is found after hours, behind those that can."""
    path = write(tmp_path, f'recipe = "smollm2-dora/135m"\n[grid]\n{settings}\nseed = [1, 2]\n')
    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["sweep", str(path), "--out", str(out), *dry])
    said = str(done.exception)
    assert isinstance(done.exception, UsageError)
    assert "no cell was started" in said
    assert cell in said
    assert reason in said
    assert not out.exists()


class Interrupted:
    """Stands for a sweep's processes: Ctrl-C comes while the second cell runs."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.stopped = False

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.started.append(arguments[-1])
        if len(self.started) == 2:
            raise KeyboardInterrupt
        return 130, "interrupted"

    def stop(self) -> None:
        self.stopped = True


def test_an_interrupted_sweep_begins_no_cell_more(tmp_path: Path) -> None:
    runs = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run_sweep(cells(tmp_path), tmp_path / "out", start=runs, stop=runs.stop)
    assert runs.stopped
    assert len(runs.started) == 2


@pytest.mark.parametrize(
    ("memory_gib", "wanted", "expected"), [(30, 4, 4), (29, 4, 3), (30, 2, 2), (1, 4, 1)]
)
def test_as_many_cells_run_at_once_as_fit(memory_gib: int, wanted: int, expected: int) -> None:
    """Of the memory six tenths may be filled: four runs of 4.5 GiB need 30 GiB."""
    machine = Machine(2, memory_gib * GIB, 128, "a card", 100 * GIB)
    estimates = [{"device": "cpu", "memory_bytes": size * GIB} for size in (4, 4.5)]
    assert at_once(wanted, estimates, machine) == expected
    on_card = [{"device": "cuda", "memory_bytes": 40 * GIB}]  # 60 of 100 GiB may be filled
    assert at_once(4, on_card, machine) == 1


def test_a_killed_sweep_takes_its_runs_with_it(tmp_path: Path) -> None:
    """Else a run that goes on holds its directory, and the sweep that goes on finds it in use."""
    psutil = pytest.importorskip("psutil")
    program = (
        "import sys; from harness.side_by_side import cell_processes as m\n"
        "m.COMMAND = (sys.executable, '-c', 'import os,sys,time;"
        'open(sys.argv[1], "w").write(str(os.getpid())); time.sleep(60)\')\n'
        "with m.CellProcesses() as runs: runs([sys.argv[1]])"
    )
    place = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, "-c", program, str(place)])
    for _ in range(600):
        if place.is_file() and place.read_text():
            break
        time.sleep(0.1)
    child = psutil.Process(int(place.read_text()))
    process.kill()
    process.wait()
    gone = psutil.wait_procs([child], timeout=60)[0]
    assert gone or child.status() == psutil.STATUS_ZOMBIE
