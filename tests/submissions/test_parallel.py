"""Many submissions are shared out over processes, in order, and how far that has come is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.submissions import parallel
from harness.submissions.parallel import each
from harness.verify.targets import Target


def name_of(target: Target) -> str:
    return target.name


@pytest.mark.parametrize("cores", [1, 2])
def test_many_are_done_in_order_and_told_of(
    cores: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: cores)
    names = [f"entry-{number}" for number in range(30)]
    targets = [Target("submission", Path(name), Path(name) / "result.json", name) for name in names]
    assert each(name_of, targets) == names
    assert "30/30 checked" in capsys.readouterr().err
    assert each(name_of, targets[:3]) == names[:3]
    assert capsys.readouterr().err == ""
