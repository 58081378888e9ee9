"""Published programs: whose they are, and how the evaluation that made them was set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.boards.board import load_board
from harness.boards.challenge import load_challenge
from harness.boards.protocols.programs import ProgramReader
from harness.boards.rows import Row, row_digest
from harness.claims.findings import claim_findings
from harness.claims.importing.claim import import_project
from harness.errors import EvaluationError, RecordError

Programs = list[list[str]]

PROMPTS = {
    "humaneval": [f'def f{i}(n):\n    """Add {i}."""' for i in range(12)],
    "mbpp": [f'"""\nMultiply by {i}.\n"""\n' for i in range(12)],
}


def reader_of_programs() -> ProgramReader:
    return ProgramReader(load_challenge("code"))


@pytest.fixture
def reader() -> ProgramReader:
    """A reader whose official prompts are the twelve above, of each of two tasks."""
    made = reader_of_programs()
    made.__dict__["pinned"] = {
        task: tuple(row_digest(Row(prompt, "pass")) for prompt in prompts)
        for task, prompts in PROMPTS.items()
    }
    return made


def programs(task: str = "humaneval") -> Programs:
    return [[f"{prompt}\n    return n"] for prompt in PROMPTS[task]]


def swapped(items: Programs) -> Programs:
    items[3], items[7] = items[7], items[3]
    return items


def edited(place: int, old: str, new: str) -> Callable[[Programs], Programs]:
    def edit(items: Programs) -> Programs:
        items[place] = [items[place][0].replace(old, new, 1)]
        return items

    return edit


def read(reader: ProgramReader, folder: Path, items: Any) -> list[str]:
    file = folder / "generations_humaneval.json"
    file.write_text(json.dumps(items))
    return reader.generations("humaneval", file, PROMPTS["humaneval"])


def test_programs_are_returned_whole(reader: ProgramReader, tmp_path: Path) -> None:
    assert read(reader, tmp_path, programs()) == [item[0] for item in programs()]


def test_a_prompt_that_begins_another_is_not_taken_for_it(
    reader: ProgramReader, tmp_path: Path
) -> None:
    """Row 1's prompt, cut after `def f1`, begins rows 10 and 11 too."""
    prompts = [prompt.split("(")[0] for prompt in PROMPTS["humaneval"]]
    reader.__dict__["pinned"] = {
        "humaneval": tuple(row_digest(Row(prompt, "pass")) for prompt in prompts)
    }
    read(reader, tmp_path, [[f"{prompt}(n): pass"] for prompt in prompts])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda items: items[:5] + items[6:], "row 5: missing, the file goes on with the row"),
        (lambda items: items[:-1], "row 11: missing, the file ends after 11 rows"),
        (lambda items: items[:5] + items[9:10] + items[5:], "row 5: extra"),
        (lambda items: [*items, *items[:1]], "row 12: extra"),
        (swapped, "row 3: moved, its prompt belongs to row 7"),
        (lambda items: programs("mbpp"), r"holds rows of mbpp \(12 prompts\).*score it as mbpp"),
        (edited(4, "Add", "add"), "row 4: its prompt differs.*from character 18 on: 'add 4"),
        (edited(4, "    ", " "), "row 4: its prompt differs.*only white space is other: a token"),
        (edited(0, "def", " def"), "row 0: its prompt differs.*from character 0 on.*white space"),
        (lambda items: [*items[:2], ["a", "b"], *items[3:]], "row 2: an array of 2; expected an"),
        (lambda items: [*items[:2], 7, *items[3:]], "row 2: int; expected an array of one text"),
        (lambda items: [], "no programs; expected the array"),
        (lambda items: {"humaneval": items}, "a JSON dict; expected the array"),
        (lambda items: [["\ud800"], *items[1:]], "row 0: its prompt differs"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_the_official_one_is_refused_in_words(
    change: Callable[[Programs], Any], words: str, reader: ProgramReader, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError, match=words) as caught:
        read(reader, tmp_path, change(programs()))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_json_is_refused(reader: ProgramReader, tmp_path: Path) -> None:
    file = tmp_path / "generations_humaneval.json"
    file.write_text("[[")
    with pytest.raises(RecordError, match="not JSON"):
        reader.generations("humaneval", file)


def test_a_prompt_ends_within_8192_characters(reader: ProgramReader, tmp_path: Path) -> None:
    """A text of megabytes costs no more than the longest prompt does."""
    for length, known in ((8192, True), (8193, False)):
        prompt = "x" * length
        reader.__dict__["pinned"] = {"humaneval": (row_digest(Row(prompt, "pass")),)}
        file = tmp_path / "generations_humaneval.json"
        file.write_text(json.dumps([[prompt + "y" * 2_000_000]]))
        if known:
            assert reader.generations("humaneval", file)
        else:
            with pytest.raises(EvaluationError, match="its prompt differs"):
                reader.generations("humaneval", file)


def test_what_is_pinned_is_what_the_board_says() -> None:
    board = load_board("code")
    reader = reader_of_programs()
    assert {task: len(digests) for task, digests in reader.pinned.items()} == board.rows
    assert [item.task for item in reader.challenge.evaluation] == list(board.rows)


def official(task: str) -> dict[str, Any]:
    """Return the config that the official command writes."""
    reader = reader_of_programs()
    settings = {n: None if v == "null" else v for n, v in reader.settings.items()}
    length = 2048 if task == "mbpp" else 1024
    return settings | {"tasks": task, "max_length_generation": length, "model": "any"}


def results(task: str, config: Any) -> str:
    return json.dumps({task: {"pass@1": 0.25}, "config": config})


@pytest.mark.parametrize("task", ["mbpp", "humaneval", "multiple-js", "multiple-cpp"])
def test_the_official_config_is_found_to_be_it(task: str) -> None:
    reader = reader_of_programs()
    assert reader.unofficial_settings(task, results(task, official(task))) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"load_in_4bit": True}, "load_in_4bit is true, officially false"),
        ({"max_length_generation": 1024}, "max_length_generation is 1024, officially 2048"),
        ({"n_samples": 10}, "n_samples is 10, officially 1"),
        ({"n_samples": True}, "n_samples is true, officially 1"),
        ({"do_sample": 1}, "do_sample is 1, officially true"),
        ({"seed": 42}, "seed is 42, officially 0"),
        ({"limit": 100}, 'limit is 100, officially "null"'),
        ({"precision": "bf16"}, 'precision is "bf16", officially "fp32"'),
        ({"tasks": "humaneval"}, 'tasks is "humaneval", officially "mbpp"'),
    ],
)
def test_another_setting_is_named(change: dict[str, Any], words: str) -> None:
    reader = reader_of_programs()
    text = results("mbpp", official("mbpp") | change)
    assert reader.unofficial_settings("mbpp", text) == (words,)


def test_a_setting_that_is_not_stated_is_named() -> None:
    reader, config = reader_of_programs(), official("mbpp")
    del config["seed"], config["limit"]
    found = reader.unofficial_settings("mbpp", results("mbpp", config))
    assert set(found) == {
        'limit is not stated, officially "null"',
        "seed is not stated, officially 0",
    }
    assert len(reader.unofficial_settings("mbpp", results("mbpp", None))) == 1
    assert len(reader.unofficial_settings("mbpp", "[" * 10_000)) == 1


def test_a_claim_names_the_settings_that_are_not_official(tmp_path: Path) -> None:
    folder = tmp_path / "project" / "results"
    folder.mkdir(parents=True)
    config = official("mbpp") | {"load_in_4bit": True}
    (folder / "evaluation_results_mbpp.json").write_text(results("mbpp", config))
    claim = import_project(tmp_path / "project", challenge="code")
    found = [
        (item.topic, item.found, item.expected)
        for item in claim_findings(claim)
        if item.kind == "contradicts"
    ]
    assert ("mbpp: evaluation", "load_in_4bit is true", "false") in found


def test_what_is_official_is_what_published_runs_state(golden: Path) -> None:
    """Of two published runs one has nothing else, the other a base in four bits."""
    reader, found = reader_of_programs(), {}
    for run in sorted((golden.parent / "code").iterdir()):
        for task in load_board("code").rows:
            text = (run / reader.results_file(task)).read_text()
            found.setdefault(run.name, set()).update(reader.unofficial_settings(task, text))
    assert sorted(found.values(), key=len) == [set(), {"load_in_4bit is true, officially false"}]
