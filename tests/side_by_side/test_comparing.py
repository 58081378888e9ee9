"""`harness compare` says what differs between runs, and whether chance alone would do."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from clean_submission import Submission
from click.testing import CliRunner

from harness.cli import cli
from harness.document import parse_document
from harness.errors import UsageError
from harness.record.result import ResultRecord
from harness.side_by_side import comparing
from harness.side_by_side.comparing import compare_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return three submissions: two of one seed and skill, and a better one of another rank."""
    folder = tmp_path_factory.mktemp("tree") / "submissions" / "finance"
    made = (Submission(seed=1), Submission(seed=1), Submission(seed=2, skill=0.9, rank=8))
    return [item.write(folder / name) for item, name in zip(made, "abc", strict=True)]


def test_the_same_run_twice_is_told_apart_by_nothing(runs: list[Path]) -> None:
    (first, second), settings = compare_runs(runs[:2])
    assert (first.p, second.p) == (None, 1.0)
    assert set(second.differing_rows.values()) == {0}
    assert settings == []


def test_a_result_stands_for_the_folder_that_it_lies_in(runs: list[Path], tmp_path: Path) -> None:
    compared, _ = compare_runs([runs[0], runs[2] / "result.json"])
    assert compared[1].p == compare_runs([runs[0], runs[2]])[0][1].p
    alone = tmp_path / "mine.json"
    alone.write_bytes((runs[2] / "result.json").read_bytes())
    with pytest.raises(UsageError, match=r"mine\.json: a record alone; name one run directory"):
        compare_runs([runs[0], alone])


def test_a_better_run_is_told_apart_and_what_differs_is_named(runs: list[Path]) -> None:
    (_, other), settings = compare_runs([runs[0], runs[2]])
    assert other.p is not None
    assert other.p < 0.001
    assert sum(other.differing_rows.values()) > 100
    assert {"seed", "peft.params.r"} <= {item.name for item in settings}
    text = CliRunner().invoke(cli, ["compare", str(runs[0]), str(runs[2])]).output
    assert "apart from A by more than chance (p < 0.05): B" in text
    assert "peft.params.r" in text


def test_the_value_has_every_number_of_the_table(runs: list[Path], tmp_path: Path) -> None:
    plot = tmp_path / "new" / "losses.svg"
    arguments = ["compare", *map(str, runs), "--json"]
    pytest.importorskip("matplotlib")
    value = json.loads(CliRunner().invoke(cli, [*arguments, "--plot", str(plot)]).output)
    assert [run["p"] is None for run in value["runs"]] == [True, False, False]
    assert all(len(run["losses"]) > 1 for run in value["runs"])
    assert plot.read_text().startswith("<?xml")


def test_runs_whose_scores_mean_different_things_are_refused(
    runs: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="name two or more"):
        compare_runs(runs[:1])
    with pytest.raises(UsageError, match="name one run directory"):
        compare_runs([runs[0], runs[0].parent])
    broken = Submission(seed=3).write(tmp_path / "my trees/submissions/finance/broken")
    text = (broken / "result.json").read_text()
    (broken / "result.json").write_text(text.replace('"examples": 304', '"examples": 303'))
    with pytest.raises(UsageError, match="verify finds an error") as refused:
        compare_runs([runs[0], broken])
    assert shlex.split(str(refused.value).rpartition("; see ")[2]) == [
        "harness", "verify", str(broken),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"challenge": {"id": "medical", "revision": 1, "digest": "ab" * 32}}, "boards (medical"),
        ({"challenge": {"id": "finance", "revision": 2, "digest": "ab" * 32}},
         "rules (revision 2, abababababab, not revision 1,"),
        ({"scores": []}, "rows (, not 1212 of fpb, 304 of fiqa, 2388 of tfns)"),
        ({"smoke": True}, "rows (made in code, "),
    ],
    ids=["boards", "rules", "counts", "synthetic"],
)  # fmt: skip
def test_boards_rules_and_rows_are_the_same_or_named(
    changes: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many rows are not yet the same rows: a smoke run's are made in code."""
    here = parse_document(ResultRecord, Submission(seed=1).record, "a record")
    smoke = changes.pop("smoke", False)
    spec = here.spec.model_copy(update={"smoke": smoke})
    reference = changes.pop("challenge", None)
    other = here.model_copy(update={"spec": spec, **changes})
    if reference is not None:
        other = here.with_values(challenge=reference)
    records = {"a": here, "b": other}
    monkeypatch.setattr(comparing, "_entry", lambda path: (records[str(path)], None))
    with pytest.raises(UsageError) as caught:
        compare_runs([Path("a"), Path("b")])
    assert str(caught.value).startswith(f"b and a are of different {said}")
