"""Choices are read off outputs as upstream reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.boards.protocols.choices import choice_of, gold_of
from harness.boards.registry import reader_of


@pytest.mark.parametrize(
    ("output", "boolean", "choice"),
    [
        ("A", False, ("a", True)),
        ("(b) because", False, ("b", True)),
        ("**C**", False, ("c", True)),
        ("z", False, ("z", False)),
        ("", False, ("", False)),
        ("Text\n## D\nmore", False, ("d", True)),
        ("Yes", True, ("yes", True)),
        ("yesno", True, ("yes", True)),
        ("no.", True, ("no", True)),
        ("maybe", True, ("maybe", False)),
    ],
)
def test_a_choice_is_read_as_upstream_reads_it(
    output: str, boolean: bool, choice: tuple[str, bool]
) -> None:
    assert choice_of(output, boolean) == choice


def test_a_worked_answer_is_cut_out_of_the_gold_text() -> None:
    assert gold_of("So the answer is: B ### end") == "b"


def test_outputs_are_read_as_the_official_script_reads_them(golden: Path) -> None:
    """118 outputs and the right answers that the script counts each of them for."""
    reader = reader_of("medical")
    for line in (golden.parent / "parser_cases.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        task = "pubmedqa" if case["kind"] == "boolean" else "medqa"
        assert reader.read(task, case["output"], "").answer == case["prediction"]
        for target in ("yes", "no", "maybe") if case["kind"] == "boolean" else "ABCD":
            right = reader.read(task, case["output"], target).correct
            assert right is (target in case["right_for"]), (case, target)
