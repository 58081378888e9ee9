"""What is read of `nvidia-smi`."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.document.units import MIB
from harness.machine.machine import this_machine


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("NVIDIA RTX A4000, 15923\nAnother, 9", ("NVIDIA RTX A4000", 15923)),
        ("A card, rev. 2, 100", ("A card, rev. 2", 100)),
        ("NVIDIA Thor, [N/A]", (None, 0)),
        ("", (None, 0)),
    ],
)
def test_name_and_memory_of_the_first_gpu(
    printed: str,
    expected: tuple[str | None, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = this_machine()
    name, free_mib = expected
    assert (found.gpu_name, found.gpu_free_bytes) == (name, free_mib * MIB)
