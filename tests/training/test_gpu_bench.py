"""The script that measures a GPU, rehearsed on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "gpu.py"


def test_a_rehearsal_measures_every_section_that_is_asked_for(tmp_path: Path) -> None:
    wanted = ["card", "steps", "losses", "repeat"]
    file = tmp_path / "gpu.json"
    command = [sys.executable, str(SCRIPT), "--rehearse", "--json", str(file), "--only", *wanted]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(file.read_text())
    assert set(result["sections"]) == set(wanted)
    for method in ("dora", "lora"):
        for form in ("modules", "fused"):
            found = result["sections"]["losses"][method][form]
            assert found["largest_relative_difference"] < 1e-3
    assert result["sections"]["repeat"]["equal"]
    assert "| dora, fused, ms a step" in done.stdout
