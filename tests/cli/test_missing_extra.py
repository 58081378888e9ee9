"""Without the extra `[run]`: every command that needs it says in one line how to install it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

ENTRY = Path(__file__).parents[2] / "submissions" / "finance" / "smollm2-135m-dora"

AWAY = {
    re.split(r"[\[<>=]", need)[0].replace("-", "_")
    for need in requires("flowertune-harness") or ()
    if need.endswith(('extra == "run"', "extra == 'run'"))
} | {"numpy", "ray", "pyarrow"}  # which those bring


@pytest.mark.parametrize(
    "words",
    [
        "run --plugin smollm2-dora --smoke",
        f"evaluate {ENTRY}",
        f"evaluate {ENTRY} --round 1",
        f"frontier {ENTRY}",
        f"reproduce {ENTRY}",
        f"dispute {ENTRY} {ENTRY}-r2 --no-repetition",
        f"compare {ENTRY} {ENTRY}-r2 --plot losses.png",
        "up --supernodes 2",
        "up --supernodes 2 --write systemd",
    ],
)
def test_what_needs_the_extra_says_in_one_line_how_to_install_it(
    words: str, tmp_path: Path
) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(AWAY)}))\n"
        f"from harness.cli import main; main({words.split()})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 3, done.stderr
    assert re.fullmatch(
        r"error: [^\n]+; [^\n]*pip install 'flowertune-harness\[run\]'\n", done.stderr
    )
    assert list(tmp_path.iterdir()) == []
