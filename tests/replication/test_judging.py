"""A relation holds, does not hold or is undecided by its interval, and a file says only what is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.document.toml_text import read_toml_document
from harness.errors import UsageError
from harness.replication.judging import judge
from harness.replication.real_runs import sweep_of
from harness.replication.replication import Relation, Replication
from harness.side_by_side.sweep_file import cells_of

FILES = sorted((Path(__file__).resolve().parents[2] / "replications").glob("*.toml"))


def arms(left: list[float], right: list[float]) -> dict[str, dict[int, dict[str, float]]]:
    return {
        "a": {seed: {"loss": value} for seed, value in enumerate(left)},
        "b": {seed: {"loss": value} for seed, value in enumerate(right)},
    }


def relation(kind: str, **more: Any) -> Relation:
    right = {} if kind == "exact" else {"right": "b"}
    return Relation.model_validate(
        {"says": "so", "source": "there", "kind": kind, "measure": "loss", "left": "a"}
        | right
        | more
    )


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        ([1.0, 1.1, 0.9], [2.0, 2.1, 1.8], "holds"),
        ([2.0, 2.1, 1.8], [1.0, 1.1, 0.9], "does not hold"),
        ([1.0, 2.0, 1.5], [1.1, 1.8, 1.6], "undecided"),
        ([1.0, 1.0], [1.0, 1.0], "does not hold"),
    ],
)
def test_an_order_is_judged_by_the_interval_of_its_differences(
    left: list[float], right: list[float], verdict: str
) -> None:
    assert judge(relation("order"), arms(left, right)).verdict == verdict


@pytest.mark.parametrize(
    ("left", "verdict"),
    [([0.5, 0.52, 0.48], "holds"), ([0.9, 0.92, 0.91], "does not hold"), ([0.4, 0.7], "undecided")],
)
def test_a_ratio_is_judged_by_its_tolerance(left: list[float], verdict: str) -> None:
    found = judge(relation("ratio", value=0.5, tolerance=0.1), arms(left, [1.0, 1.0, 1.0]))
    assert found.verdict == verdict


def test_what_is_exact_is_so_at_every_seed() -> None:
    exact = relation("exact", tolerance=1e-6)
    assert judge(exact, arms([0.0, 1e-7], [])).verdict == "holds"
    assert judge(exact, arms([0.0, 1e-5], [])).verdict == "does not hold"
    assert judge(exact, arms([0.0, float("nan")], [])).verdict == "does not hold"


GOOD = """
title = "t"
paper = "p"
seeds = [1, 2]
[arms.a]
strategy = "standard/fedavg"
[[relations]]
says = "s"
source = "s"
kind = "exact"
measure = "loss"
left = "a"
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("seeds = [1, 2]", "seeds = [1]", "seeds"),
        ("seeds = [1, 2]", "seeds = [1, 1]", "given twice"),
        ('left = "a"', 'left = "b"', "names the arm 'b'"),
        ('kind = "exact"', 'kind = "order"', "have a right side"),
        ('kind = "exact"', 'kind = "exact"\nvalue = 1.0', "a ratio has a value"),
        ('measure = "loss"', 'measure = "accuracy"', "not measured by engine 'small'"),
        ('paper = "p"', 'paper = "p"\nengine = "run"', "needs a recipe"),
        ('title = "t"', 'title = "t"\nother = 1', "other"),
        ("[arms.a]", "[arms.a", "TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    old: str, new: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(GOOD)
    assert read_toml_document(Replication, path).seeds == (1, 2)
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError, match=reason):
        read_toml_document(Replication, path)


def test_three_replications_are_shipped() -> None:
    assert len(FILES) >= 3
    for path in FILES:
        found = read_toml_document(Replication, path)
        assert found.paper.startswith("https://arxiv.org/abs/")
        assert len(found.seeds) >= 3


def test_a_real_replication_is_a_sweep_of_its_arms_and_seeds(tmp_path: Path) -> None:
    text = GOOD.replace('paper = "p"', 'paper = "p"\nengine = "run"\nrecipe = "x/y"\nsmoke = true')
    (tmp_path / "x.toml").write_text(text)
    found = read_toml_document(Replication, tmp_path / "x.toml")
    cells = cells_of(sweep_of(found), tmp_path)
    assert [cell.values["seed"] for cell in cells] == [1, 2]
    assert "--smoke" in cells[0].arguments
    assert cells[0].arguments[-4:-2] == ("--set", 'strategy="standard/fedavg"')
