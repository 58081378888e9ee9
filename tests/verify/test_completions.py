"""Completions of programs: what verify says of them from their text alone."""

from __future__ import annotations

import pytest
from test_breaches import BY_ID, of

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
