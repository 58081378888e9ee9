"""docs/components.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness_standard.documentation import main, render

PAGE = Path(__file__).resolve().parents[3] / "docs" / "components.md"


def test_the_page_is_up_to_date(capsys):
    whole = pytest.importorskip(
        "harness_federated_lora.documentation", reason="plugins/federated-lora is not installed"
    )
    assert whole.main([str(PAGE), "--check"]) == 0, capsys.readouterr().err


def test_a_stale_page_is_told(tmp_path, capsys):
    page = tmp_path / "components.md"
    assert main([str(page)]) == 0
    page.write_text(render().replace("fedavg", "fedaverage"))
    assert main([str(page), "--check"]) == 1
    assert "is stale" in capsys.readouterr().err


def test_every_parameter_is_explained():
    rows = [line for line in render().splitlines() if line.count("|") == 4]
    assert [line for line in rows if line.startswith("| `") and line.endswith("|  |")] == []
