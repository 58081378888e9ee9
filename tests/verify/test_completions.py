"""Outputs: what verify says of them from their text alone."""

from __future__ import annotations

import pytest
from test_breaches import BY_ID, of, put

from harness.boards.board import board_names
from harness.boards.challenge import load_challenge
from harness.boards.protocol import BoardProtocol
from harness.boards.registry import protocol_of
from harness.verify.files.generations import Generations

EXECUTED: list[BoardProtocol] = [
    found
    for found in (protocol_of(load_challenge(name)) for name in board_names())
    if found.decoding.sampling is not None
]


def found(protocol: BoardProtocol, task: str, output: str | None, label: str) -> list[str]:
    """Return what the rule expects in place of one row's output and label."""
    rows = Generations(("a",), protocol.targets(task), (label,), (output,))
    submission = of(generations={task: rows})
    submission.__dict__["protocol"] = protocol
    return [str(item[2]) for item in BY_ID["completions"].check(submission)]


@pytest.mark.parametrize("protocol", EXECUTED, ids=lambda item: item.id)
def test_a_completion_is_cut_and_an_empty_one_passes_nothing(protocol: BoardProtocol) -> None:
    assert protocol.decoding.sampling is not None
    for task, form in protocol.decoding.sampling.forms.items():
        (right,) = protocol.targets(task)
        wrong = next(answer for answer in protocol.answers(task) or () if answer != right)
        assert found(protocol, task, "    return 1", right) == []
        assert found(protocol, task, "", wrong) == []
        assert found(protocol, task, " \n", right) == ["no test passes so"]
        assert found(protocol, task, None, wrong) == ["the completion that was executed"]
        for word in form.stop_words:
            uncut = f"    return 1{word} more"
            assert found(protocol, task, uncut, right) == ["a text that ends there"]
            assert found(protocol, task, f"    return 1{word[:-1]}", right) == []
    assert found(protocol, "no-such-set", "x", "x") == []


def test_boards_whose_outputs_are_read_have_no_such_rule() -> None:
    assert list(BY_ID["completions"].check(of())) == []


CHOSEN: list[BoardProtocol] = [
    found
    for found in (protocol_of(load_challenge(name)) for name in board_names())
    if found.decoding.sampling is None and found.decoding.max_length_tokens is None
]


def lengths(protocol: BoardProtocol, task: str, output: str, hub_id: str) -> list[str]:
    rows = Generations(("a",), ("a",), ("a",), (output,))
    submission = of(put("spec.model.hub_id", hub_id), generations={task: rows})
    submission.__dict__["protocol"] = protocol
    return [str(item[1]) for item in BY_ID["output-length"].check(submission)]


KNOWN, UNKNOWN = "HuggingFaceTB/SmolLM2-135M", "pretend/superwords"


@pytest.mark.parametrize("protocol", CHOSEN, ids=lambda item: item.id)
def test_an_output_has_as_many_tokens_as_a_right_answer(protocol: BoardProtocol) -> None:
    for item in protocol.challenge.evaluation:  # type: ignore[attr-defined]
        most = max(map(len, protocol.targets(item.task))) + 1
        for output in ("", "A", " Option A"[: 7 + most], "\n\n", "A " * most):
            assert lengths(protocol, item.task, output, KNOWN) == []
        words = "A " * (most + 1)
        assert lengths(protocol, item.task, words, KNOWN) == [f"{most + 1} words"]
        assert lengths(protocol, item.task, words, UNKNOWN) == []
        for hub_id in (KNOWN, UNKNOWN):
            assert lengths(protocol, item.task, "A" * 256 * most, hub_id) == []
            longer = lengths(protocol, item.task, "A" * (256 * most + 1), hub_id)
            assert longer == [f"{256 * most + 1:,} characters"]


def test_other_boards_have_no_such_length() -> None:
    rows = Generations(("a",), ("a",), ("a",), ("A long answer, and more of it",))
    assert list(BY_ID["output-length"].check(of(generations={"fpb": rows}))) == []
    assert len(CHOSEN) == 2
