"""Evaluation rows in a recipe's texts are found by digests of their words; honest texts are not."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from clean_submission import Submission

from harness.boards import shingles
from harness.boards.challenge import challenge_names, load_challenge
from harness.boards.registry import protocol_of
from harness.boards.shingles import (
    DIGEST_BYTES,
    FEWEST_WORDS,
    WINDOWS,
    WORDS,
    first_row_in,
    make_shingles,
    shingles_of,
    windows,
)
from harness.planning.settings.templates import contamination_faults
from harness.recipe import DataSpec, Prompt, RowFilter, TrainSpec
from harness.submissions.check import verify

ROOT = Path(__file__).resolve().parents[2]
ROW = "Seven herons waded past the rusty gasometer before noon, and nobody counted them."
SHORT = "Herons waded past rusty gasometers"


@pytest.fixture
def _known_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_shingles([ROW, SHORT])
    cut = [data[i : i + DIGEST_BYTES] for i in range(0, len(data), DIGEST_BYTES)]
    monkeypatch.setattr(shingles, "shingles_of", lambda board: frozenset(cut))


known = pytest.mark.usefixtures("_known_rows")

TEXTS = {
    "in the template": TrainSpec(prompt=Prompt(template=f"{ROW}\n### Response: {{output}}")),
    "in the system message": TrainSpec(prompt=Prompt(system=f"x {ROW} y")),
    "in capitals without stops": TrainSpec(prompt=Prompt(system=ROW.upper().replace(",", ""))),
    "in the user message": TrainSpec(prompt=Prompt(user=f"{ROW} {{input}}")),
    "as what an output becomes": TrainSpec(data=DataSpec(output_map={"neutral": ROW})),
    "as an output": TrainSpec(data=DataSpec(output_map={ROW: "neutral"})),
    "cut into many outputs": TrainSpec(
        data=DataSpec(output_map={word: word for word in ROW.split()})
    ),
    "in a column": TrainSpec(data=DataSpec(input=f"{{input}} {ROW}")),
    "in a filter": TrainSpec(
        data=DataSpec(filters=(RowFilter(column="input", pattern=ROW.replace(" ", r"\s")),))
    ),
    "the whole of a short row": TrainSpec(prompt=Prompt(system=SHORT)),
}


@known
@pytest.mark.parametrize("name", TEXTS)
def test_an_evaluation_row_in_a_text_of_the_recipe_is_found(name: str) -> None:
    found = [text for text, _ in contamination_faults("finance", TEXTS[name])]
    assert found
    assert "words of an evaluation row" in found[0]


@known
def test_it_is_an_error_of_a_plan_and_of_a_submission(tmp_path: Path) -> None:
    s = Submission()
    folder = tmp_path / "submissions/finance/pretend"
    assert verify([s.write(folder)]).findings == ()
    s.respec(lambda spec: spec["train"]["prompt"].update(style="chat", system=f"Remember: {ROW}"))
    s.card = None
    assert [item.rule for item in verify([s.write(folder)]).findings] == ["contamination"]


@pytest.mark.parametrize("board", challenge_names())
def test_the_prompts_of_the_boards_are_none_of_their_rows(board: str) -> None:
    challenge = load_challenge(board)
    texts = [
        TrainSpec(),
        TrainSpec(prompt=Prompt(template=getattr(challenge.dataset, "template", "{output}"))),
        TrainSpec(prompt=Prompt(system=getattr(challenge.protocol, "instruction", ""))),
    ]
    for train in texts:
        assert list(contamination_faults(board, train)) == []


def test_a_row_is_known_by_windows_of_eight_words_and_a_short_one_by_itself() -> None:
    words = [f"w{number}" for number in range(100)]
    assert len(list(windows(" ".join(words[: FEWEST_WORDS - 1])))) == 0
    assert len(list(windows(" ".join(words[:FEWEST_WORDS])))) == 1
    assert len(list(windows(" ".join(words[: 2 * WORDS - 1])))) == 1
    assert len(list(windows(" ".join(words[: 2 * WORDS])))) == 2
    assert len(list(windows(" ".join(words)))) == WINDOWS
    # What two rows share tells neither.
    assert make_shingles(["a b c d e f g h", "A b, c d e f g h!"]) == b""
    assert len(make_shingles(["a b c d e f g h", "a b c d e f g x"])) == 2 * DIGEST_BYTES


def test_no_word_of_a_row_is_shipped_and_the_files_are_small() -> None:
    for board in challenge_names():
        known = shingles_of(board)
        assert 1_000 < len(known) < 50_000
        assert {len(item) for item in known} == {DIGEST_BYTES}


def test_a_long_text_takes_time_linear_in_it() -> None:
    begin = time.process_time()
    assert first_row_in("finance", "alpha beta gamma " * 2_700) is None
    assert time.process_time() - begin < 1


def test_the_files_are_those_of_the_mirror_s_rows(mirror: Path) -> None:
    pytest.importorskip("datasets")
    command = [sys.executable, str(ROOT / "bench/shingles.py"), "--mirror", str(mirror), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_row_that_is_long_enough_is_found_whole(mirror: Path) -> None:
    pytest.importorskip("datasets")
    challenge = load_challenge("finance")
    item = challenge.evaluation_set("fiqa")
    files = [mirror / "datasets" / item.dataset / name for name in item.files]
    texts = {text for text, _ in protocol_of(challenge).rows("fiqa", files).examples}
    long = [text for text in texts if len(shingles.words_of(text)) >= 2 * WORDS]
    assert len(long) > 50
    missed = [text for text in long if first_row_in("finance", f"Say: {text} is neutral") is None]
    assert len(missed) <= len(long) // 20
