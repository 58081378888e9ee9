"""A client process leaves no folder behind for what it did not compile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

IMPORTS = """
import os
from harness.training.fused.compiled import compile_apart, leave_no_empty

folder = compile_apart()
import torch._dynamo
print(os.path.isdir(folder), flush=True)
{more}
leave_no_empty(folder)
print(os.path.isdir(folder), flush=True)
os._exit(0)
"""


def left(tmp_path: Path, more: str) -> list[str]:
    """Return whether the folder was there before and after, of a process that is ended at once."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS.format(more=more)],
        capture_output=True, text=True, check=True, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    return done.stdout.split()


def test_an_empty_folder_goes_and_what_was_compiled_stays(tmp_path: Path) -> None:
    assert left(tmp_path, "") == ["True", "False"]
    assert list(tmp_path.glob("compiled-*")) == []
    assert left(tmp_path, 'open(folder + "/torch/kernel.py", "w").close()') == ["True", "True"]
