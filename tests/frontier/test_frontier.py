"""A run's kept rounds against what they cost, the best of them by rows that nobody trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clean_submission import Submission
from click.testing import CliRunner

from harness.boards.challenge import load_challenge
from harness.boards.registry import protocol_of
from harness.cli import cli
from harness.cli.execute.frontier import as_text
from harness.document import canonical_json, digest_of, pretty_json
from harness.errors import EvaluationError, UsageError
from harness.evaluation.held_out_row import HeldOutAnswers, HeldOutRow
from harness.federation.storage import checkpoint
from harness.federation.storage.adapter_file import write_adapter
from harness.federation.wire.tensors import digest_arrays
from harness.frontier import frontier as module
from harness.frontier.frontier import Frontier, Point, frontier
from harness.frontier.held_out_rows import FEWEST_ROWS, held_out_rows
from harness.frontier.kept_rounds import kept_rounds, recorded_rounds, round_folder
from harness.record.federation import GENESIS, RoundRecord
from harness.record.machine import Device
from harness.sources.assets import Assets
from harness.spec import ChallengeRef, RunSpec
from harness.training.rows.partitions import Partitions

FINANCE = load_challenge("finance")
CONFIG = json.dumps({"r": 2, "lora_alpha": 4, "peft_type": "LORA"})
ROUNDS = 4
KEPT = (2, 3, 4)
"""Round 2 by its adapter, 3 by a checkpoint, 4 as the last."""


def arrays(number: int) -> dict[str, Any]:
    return {
        "base.layers.0.lora_A.weight": np.full((2, 8), number, np.float32),
        "base.layers.0.lora_B.weight": np.full((8, 2), -number, np.float32),
    }


def shapes(number: int) -> dict[str, tuple[int, ...]]:
    return {name: values.shape for name, values in arrays(number).items()}


def spec_of(**train: Any) -> RunSpec:
    value = RunSpec.model_validate(Submission().record["spec"]).model_dump(mode="json")
    value |= {"smoke": True, "challenge": ChallengeRef.of(FINANCE).model_dump()}
    value["train"] |= {"rounds": ROUNDS, **train}
    return RunSpec.model_validate_json(json.dumps(value))


def round_record(number: int, previous: str) -> RoundRecord:
    sampled = tuple(range(5 * number, 5 * number + 5))
    client = {"examples": 32, "train_loss": 1 / number, "update_sha256": "0" * 64, "bytes_up": 100}
    found = RoundRecord(
        round=number, partitions=sampled, bytes_down=500, bytes_up=500, train_loss=1 / number,
        learning_rate=1e-3, clients=tuple({"partition": p, **client} for p in sampled),
        aggregate_sha256=digest_arrays(arrays(number)), duration_s=10.0, previous_digest=previous,
        digest="",
    )  # fmt: skip
    return found.with_values(digest=found.chain_digest())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    spec = spec_of()
    folder.mkdir()
    (folder / "spec.json").write_text(pretty_json(spec.model_dump(mode="json")))
    assets = Assets(model_dir="/nowhere", training_file=None, evaluation_files={}, data=())
    (folder / "assets.json").write_text(pretty_json(assets.model_dump(mode="json")))
    head, lines = GENESIS, []
    for number in range(1, ROUNDS + 1):
        record = round_record(number, head)
        head = record.digest
        lines.append(canonical_json(record.model_dump(mode="json")) + "\n")
        if number == 3:
            meta = {
                "round": 3, "spec_digest": digest_of(spec), "data_sha256": (), "record": record,
                "state": None, "roster_sha256": "0" * 64, "peft_config": CONFIG,
                "device": Device(kind="cpu", name="x", threads=1, actors=1, dtype="float32",
                                 deterministic=True),
            }  # fmt: skip
            checkpoint.save(folder, meta, arrays(3), {})
    (folder / "rounds.jsonl").write_text("".join(lines))
    write_adapter(folder / "adapter_round_2", arrays(2), CONFIG, shapes(2))
    write_adapter(folder / "adapter", arrays(4), CONFIG, shapes(4))
    return folder


class Answers:
    """Stands for the evaluating process: round K has K eighths of the rows right, but the last."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, folder: Path, rows: Sequence[HeldOutRow], *rest: Any) -> HeldOutAnswers:
        self.asked.append(folder.name)
        share = min(int(folder.name), 3) / 8
        right = tuple(place < share * len(rows) for place in range(len(rows)))
        return HeldOutAnswers(adapter_sha256=rest[-1], right=right, duration_s=1.0)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    found = Answers()
    monkeypatch.setattr(module, "answer_rows", found)
    return found


def test_every_kept_round_has_its_own_adapter_whichever_way_it_was_kept(run: Path) -> None:
    from safetensors.numpy import load_file

    assert tuple(kept_rounds(run, recorded_rounds(run))) == KEPT
    for number in KEPT:
        folder, digest = round_folder(run, number)
        found = load_file(folder / "adapter/adapter_model.safetensors")
        assert digest_arrays(found) == digest_arrays(arrays(number))
        assert json.loads((folder / "adapter/adapter_config.json").read_text())["r"] == 2
        assert len(digest) == 64


def test_a_round_that_was_not_kept_is_refused_with_those_that_were(run: Path) -> None:
    with pytest.raises(UsageError, match="no adapter of round 1; kept are 2, 3, 4"):
        round_folder(run, 1)
    done = CliRunner().invoke(cli, ["evaluate", str(run), "--round", "9"])
    assert "save_every_rounds=1" in str(done.exception)
    both = CliRunner().invoke(cli, ["evaluate", str(run), "--round", "2", "--untrained"])
    assert "exclude each other" in str(both.exception)


def test_an_adapter_that_the_ledger_does_not_know_is_refused(run: Path) -> None:
    write_adapter(run / "adapter_round_2", arrays(1), CONFIG, shapes(1))
    with pytest.raises(EvaluationError, match="not the aggregate of round 2"):
        round_folder(run, 2)


def test_ranks_that_grew_are_not_guessed_from_a_checkpoint(run: Path) -> None:
    grown = {name: np.concatenate([v, v]) for name, v in arrays(3).items()}
    found = checkpoint.load(checkpoint.path_of(run, 3)).meta
    checkpoint.save(run, dict(found), grown, {})
    with pytest.raises(EvaluationError, match=r"ranks have grown to \[4\]"):
        round_folder(run, 3)


def test_the_best_round_and_the_cheapest_that_is_as_good(run: Path, answers: Answers) -> None:
    found = frontier(run, rows=64)
    assert [point.round for point in found.points] == [0, *KEPT]
    assert [point.bytes_total for point in found.points] == [0, 2000, 3000, 4000]
    assert [point.seconds for point in found.points] == [0, 20, 30, 40]
    assert found.best.round == 3  # 4 is as good, and dearer
    assert found.undominated() == {0, 2, 3}
    assert found.p_of_best(found.points[0]) < 1e-6
    assert answers.asked == ["0", "2", "3", "4"]
    frontier(run, rows=64)
    assert answers.asked == ["0", "2", "3", "4"]  # kept
    frontier(run, rows=48)
    assert len(answers.asked) == 8  # other rows


def test_the_sign_test_is_exact() -> None:
    def point(number: int, right: str) -> Point:
        return Point(number, number, number, None, tuple(c == "1" for c in right), None)

    found = Frontier(Path(), "x", (point(1, "0000011"), point(2, "1111110")), "")
    # Seven rows, six differ: five for round 2, one for round 1: 2 * (1 + 6) / 64.
    assert found.p_of_best(found.points[0]) == pytest.approx(2 * 7 / 64)
    assert found.cheapest.round == 1
    assert found.p_of_best(found.best) == 1.0


@pytest.mark.parametrize(("differing", "as_good"), [(5, True), (6, False)])
def test_as_good_is_what_chance_would_give_once_in_twenty(differing: int, as_good: bool) -> None:
    """Five rows of five speak for the best with p 2/32, six of six with 2/64."""
    right = [(False,) * differing, (True,) * differing]
    points = tuple(Point(n, n, n, None, answers, None) for n, answers in enumerate(right))
    assert (Frontier(Path(), "x", points, "").cheapest.round == 0) == as_good


def test_the_base_has_one_name_in_all_that_is_printed() -> None:
    base, first = (Point(n, n, n, None, (False,) * 8, 0.4) for n in (0, 1))
    better = Point(2, 2, 2.0, None, (True,) * 5 + (False,) * 3, None)
    text = as_text(Frontier(Path(), "x", (base, first, better), ""))
    assert "best: round 2\nnot told apart from it, and cheaper: the untrained base\n" in text
    assert text.endswith("looked at for the untrained base, round 1")
    assert "best: the untrained base" in as_text(Frontier(Path(), "x", (base, first), ""))


def test_what_is_to_be_answered_is_said_before_and_the_time_left_from_the_second_model_on(
    run: Path, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    frontier(run, rows=64)
    total, base, *rounds = capsys.readouterr().err.splitlines()
    assert "64 held-out rows by each of 4 models, 256 answers" in total
    assert "untrained base, 1 of 4" in base
    assert "left" not in base
    assert all("left" in line for line in rounds)
    assert len(rounds) == 3
    frontier(run, rows=64)
    frontier(run, rows=48, quiet=True)
    assert capsys.readouterr().err == ""


def test_the_table_the_value_and_the_picture_agree(run: Path, answers: Answers) -> None:
    pytest.importorskip("matplotlib")
    plot = run / "frontier.png"
    arguments = ["frontier", str(run), "--rows", "64", "--plot", str(plot)]
    value = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)
    assert value["best"] == 3
    assert value["official_rows_seen_of_rounds"] == []
    assert [item["held_out"]["correct"] for item in value["rounds"]] == [0, 16, 24, 24]
    assert plot.read_bytes().startswith(b"\x89PNG")
    text = CliRunner().invoke(cli, arguments).stdout
    assert "best: round 3" in text
    assert "37.50" in text
    with pytest.raises(UsageError, match="ending in"):
        CliRunner().invoke(cli, [*arguments[:-1], "x.pdf"], catch_exceptions=False)


def test_no_held_out_row_was_trained_on_or_is_official(run: Path) -> None:
    rounds, spec = recorded_rounds(run), spec_of()
    partitions, protocol = Partitions(FINANCE, None), protocol_of(FINANCE)
    trained = {p for item in rounds for p in item.partitions}
    seen = {row["input"] for p in trained for row in partitions.rows(p)}
    other = next(row["input"] for p in range(50) if p not in trained for row in partitions.rows(p))
    rows = held_out_rows(spec, FINANCE, None, rounds, [other], 40)
    assert len(rows) == 40
    assert len({row.context for row in rows}) == 40
    for row in rows:
        sentence = protocol.passages(row.context)[0]
        assert sentence not in seen
        assert sentence != other
        assert row.target in ("negative", "neutral", "positive")
    assert rows == held_out_rows(spec, FINANCE, None, rounds, [other], 40)
    assert rows != held_out_rows(spec.with_values(seed=99), FINANCE, None, rounds, [other], 40)


@pytest.mark.parametrize("left", [FEWEST_ROWS - 1, FEWEST_ROWS])
def test_too_few_rows_choose_no_round(left: int, run: Path) -> None:
    rounds = recorded_rounds(run)
    everything = held_out_rows(spec_of(), FINANCE, None, rounds, [], 10_000)
    protocol = protocol_of(FINANCE)
    official = [protocol.passages(row.context)[0] for row in everything[left:]]
    if left == FEWEST_ROWS:
        assert len(held_out_rows(spec_of(), FINANCE, None, rounds, official, 64)) == left
    else:
        with pytest.raises(UsageError, match=f"{left} training rows are held out"):
            held_out_rows(spec_of(), FINANCE, None, rounds, official, 64)


def test_a_run_that_saw_every_partition_and_a_board_without_questions_say_so(run: Path) -> None:
    rounds = recorded_rounds(run)
    everywhere = [rounds[0].with_values(partitions=tuple(range(50)))]
    with pytest.raises(UsageError, match="all 50 partitions were sampled"):
        held_out_rows(spec_of(), FINANCE, None, everywhere, [], 64)
    with pytest.raises(UsageError, match="no questions of its evaluation"):
        held_out_rows(spec_of(), load_challenge("medical"), None, rounds[:1], [], 64)
