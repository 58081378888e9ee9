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


@pytest.mark.parametrize(
    ("visible", "free_mib"),
    [
        (None, (100, 200, 300)),
        ("2,0", (300, 100)),
        ("1", (200,)),
        ("0,7,1", (100,)),
        ("-1", ()),
        ("", ()),
        ("GPU-8932f937,GPU-6b1f5a2c", (100, 200)),
    ],
)
def test_cards_are_those_that_this_process_may_use(
    visible: str | None,
    free_mib: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf 'A, 100\\nB, 200\\nC, 300\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert this_machine().cards == tuple(free * MIB for free in free_mib)
