"""What is no run directory is refused in words before a process is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from clean_submission import Submission

from harness.errors import RecordError
from harness.evaluation.sealed.launch import evaluate_run


@pytest.mark.parametrize("untrained", [False, True])
def test_a_folder_without_a_run_s_own_files_is_told_what_to_give(
    untrained: bool, tmp_path: Path
) -> None:
    folder = Submission().write(tmp_path / "filed")
    with pytest.raises(RecordError, match=r"filed: no spec.json; give the directory of a run"):
        evaluate_run(folder, untrained=untrained)
    (folder / "spec.json").write_text("{}")
    with pytest.raises(RecordError, match=r"filed: no assets.json; give the directory of a run"):
        evaluate_run(folder, untrained=untrained)
    assert not (folder / "untrained").exists()
