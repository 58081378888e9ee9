"""Publishing: a hub that cannot be reached is one line and exit code 7."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

UPLOAD = """
import sys
from pathlib import Path
from harness.errors import SourceError
from harness.pipeline.publish import upload
try:
    upload(Path(sys.argv[1]), "someone/adapter", False, {"result.json": "result.json"})
except SourceError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(
    "surroundings",
    [{"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}, {"HF_HUB_OFFLINE": "1"}],
    ids=["nobody listens", "offline"],
)
def test_a_hub_that_cannot_be_reached_is_one_line(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "result.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-c", UPLOAD, str(tmp_path)],
        capture_output=True, text=True, check=False,
        env=os.environ | {"HF_TOKEN": "hf_none", "HF_HOME": str(tmp_path)} | surroundings,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "someone/adapter: the hub cannot be reached" in done.stdout
    assert "Traceback" not in done.stderr
