"""A claim is checked for being what the importer writes; what it says of itself are warnings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.submissions.check import verify

ENTRY = Path(__file__).resolve().parents[2] / "submissions/finance/ethicalabs-smollm2-1.7b"


def claim_value() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((ENTRY / "claim.json").read_text())
    return value


def written(tmp_path: Path, value: dict[str, Any], name: str = ENTRY.name) -> Path:
    folder = tmp_path / "submissions" / "finance" / name
    folder.mkdir(parents=True)
    (folder / "claim.json").write_text(json.dumps(value))
    return folder


def errors(folder: Path) -> set[str]:
    return {item.rule for item in verify([folder]).findings if item.severity == "error"}


def test_the_reference_entry_is_a_clean_claim_with_two_contradictions(tmp_path: Path) -> None:
    """Its accuracies, rows, average and communication recompute; runtime and cost do not."""
    report = verify([written(tmp_path, claim_value())])
    assert report.clean
    warnings = [item.found for item in report.findings if item.severity == "warning"]
    assert [text.split(":")[0] for text in warnings] == ["runtime", "cost"]
    assert "1924.52 s (00:23:18)" in warnings[0]


def test_a_recount_that_its_own_rows_do_not_give_is_an_error(tmp_path: Path) -> None:
    value = claim_value()
    value["sets"][0]["recount"]["correct"] += 1
    assert errors(written(tmp_path, value)) == {"claim-form"}


@pytest.mark.parametrize("key", ["schema_version", "surprise"])
def test_another_schema_is_an_error(key: str, tmp_path: Path) -> None:
    value = claim_value()
    value[key] = 99
    assert errors(written(tmp_path, value)) == {"claim-schema"}


def test_a_claim_lies_under_its_own_name(tmp_path: Path) -> None:
    assert errors(written(tmp_path, claim_value(), "another-name")) == {"claim-form"}


def test_other_files_beside_a_claim_are_errors(tmp_path: Path) -> None:
    folder = written(tmp_path, claim_value())
    (folder / "evil.html").write_text("<script>")
    assert errors(folder) == {"claim-files"}


def test_a_claim_is_of_a_board_that_there_is(tmp_path: Path) -> None:
    value = claim_value() | {"challenge": "finanse"}
    [found] = [item.found for item in verify([written(tmp_path, value)]).findings]
    assert "no challenge 'finanse'; did you mean \"finance\"?" in found
