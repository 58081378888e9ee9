"""Rows that come with the order are answered and read as the board's own are."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_run import EVALUATION_KEY

from harness.evaluation.evaluated_run import official_sets, read_run
from harness.evaluation.held_out import answer_held_out
from harness.evaluation.held_out_row import HeldOutRow
from harness.evaluation.row_work import row_meter
from harness.evaluation.session import evaluate


def test_a_row_is_answered_as_it_is_among_the_official_ones(run_dir: Path) -> None:
    run = read_run(run_dir, None, untrained=False)
    rows = official_sets(run)["fpb"].rows
    evaluate(run, EVALUATION_KEY, quiet=True)
    lines = (run_dir / "generations/fpb.jsonl").read_text().splitlines()
    told = [item["new_out"] == item["new_target"] for item in map(json.loads, lines)]
    before = sorted(run_dir.rglob("*"))
    given = [HeldOutRow(context=row.context, target=row.target) for row in rows]
    found = answer_held_out(run, given, threads=1, quiet=True)
    assert list(found.right) == told
    assert 0 < sum(told) < len(told)
    assert found.adapter_sha256 == run.key().adapter_sha256
    assert sorted(run_dir.rglob("*")) == before


def test_of_rows_that_share_a_text_the_first_has_its_work_and_no_pace_is_told_of_one() -> None:
    shared = tuple(range(396))
    meter, work = row_meter("rows", [(*shared, 1), (*shared, 2), (7, 8)], quiet=True)
    assert sorted(work) == [5, 6, 401]
    assert meter.work == sum(work)
    meter.advance(work=4)
    assert "left" not in meter.line(10.0)
    meter.advance(work=202)
    assert meter.line(10.0).endswith("0:10 left)")
