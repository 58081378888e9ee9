"""What executes a board's programs must be where an evaluation looks, before a run trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.boards.board import board_names
from harness.boards.challenge import load_challenge
from harness.boards.execution import EXECUTABLES
from harness.boards.registry import protocol_of
from harness.errors import EvaluationError
from harness.evaluation.sealed import launch


@pytest.mark.parametrize("name", board_names())
def test_a_missing_interpreter_is_one_clear_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = load_challenge(name)
    sampling = protocol_of(challenge).decoding.sampling
    monkeypatch.setitem(launch.ENVIRONMENT, "PATH", str(tmp_path))
    if sampling is None:
        launch.refuse_missing_languages(challenge)
        return
    wanted = [
        EXECUTABLES[form.language] for form in sampling.forms.values()
        if form.language in EXECUTABLES
    ]  # fmt: skip
    for executable in wanted:
        with pytest.raises(EvaluationError, match="is in none of") as caught:
            launch.refuse_missing_languages(challenge)
        assert str(caught.value).startswith(executable)
        assert "\n" not in str(caught.value)
        (tmp_path / executable).write_text("#!/bin/sh\n")
        (tmp_path / executable).chmod(0o755)
    launch.refuse_missing_languages(challenge)
