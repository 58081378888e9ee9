"""Limits of claims and tolerances of what is said of them, from both sides."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from harness.claims.findings import claim_findings
from harness.claims.importing.claim import import_project
from harness.claims.record import ClaimRecord
from harness.document.units import MIB
from harness.errors import HarnessError
from harness.submissions.check import verify

ENTRY = Path(__file__).resolve().parents[2] / "submissions/finance/ethicalabs-smollm2-1.7b"
CLAIM: dict[str, Any] = json.loads((ENTRY / "claim.json").read_text())


def written(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions" / "finance" / ENTRY.name
    folder.mkdir(parents=True)
    (folder / "claim.json").write_text(json.dumps(CLAIM))
    return folder


def errors(folder: Path) -> dict[str, list[str]]:
    """Return rule -> what it found, of the errors."""
    found: dict[str, list[str]] = {}
    for item in verify([folder]).findings:
        if item.severity == "error":
            found.setdefault(item.rule, []).append(item.found)
    return found


@pytest.mark.parametrize(("name", "most"), [("claim.json", 4 * MIB), ("README.md", MIB // 4)])
def test_a_claim_s_file_may_be_as_large_as_its_limit(name: str, most: int, tmp_path: Path) -> None:
    folder = written(tmp_path)
    path = folder / name
    data = path.read_bytes() if path.exists() else b""
    path.write_bytes(data.ljust(most))
    assert errors(folder) == {}
    path.write_bytes(data.ljust(most + 1))
    assert "claim-files" in errors(folder)


def test_ten_files_of_a_claim_are_listed_and_no_more(tmp_path: Path) -> None:
    folder = written(tmp_path)
    for number in range(9):
        (folder / f"file{number}").write_text("")
    assert errors(folder) == {"claim-files": [f"file{number}" for number in range(9)]}
    (folder / "one-more").write_text("")
    [found] = errors(folder)["claim-files"]
    assert found.startswith("more than 10 files")


# A project.

PYPROJECT = """
[tool.flwr.app]
publisher = "someone"
[tool.flwr.app.config]
model.name = "HuggingFaceTB/SmolLM2-135M"
[tool.flwr.app.config.static]
dataset.name = "medalpaca/medical_meadow_medical_flashcards"
"""


def project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    return folder


def test_20_000_files_of_a_project_are_listed_and_no_more(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    for number in range(19_999):
        (folder / f"{number}").touch()
    assert import_project(folder).challenge == "medical"
    (folder / "one-more").touch()
    with pytest.raises(HarnessError, match="more than 20,000 files"):
        import_project(folder)


def test_a_text_of_2_mib_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    path = folder / "pyproject.toml"
    path.write_bytes(PYPROJECT.encode().ljust(2 * MIB))
    assert import_project(folder).config.model == "HuggingFaceTB/SmolLM2-135M"
    path.write_bytes(PYPROJECT.encode().ljust(2 * MIB + 1))
    assert import_project(folder, challenge="medical").config.model is None


def test_generations_of_64_mib_are_counted_and_one_byte_more_are_not(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    path = folder / "generation_pubmedqa_fl.jsonl"
    rows = json.dumps([{"prompt": "q", "gold": "yes", "output": "yes"}]).encode()
    path.write_bytes(rows.ljust(64 * MIB))
    recount = import_project(folder).sets[0].recount
    assert recount is not None
    assert (recount.correct, recount.examples) == (1, 1)
    path.write_bytes(rows.ljust(64 * MIB + 1))
    assert import_project(folder).sets[0].recount is None


def test_the_first_200_000_characters_of_a_readme_tell_the_board(tmp_path: Path) -> None:
    table = "| | FPB | FiQA | TFNS |\n|-|-|-|-|\n| x | 1"
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "README.md").write_text("\n".rjust(200_000 - len(table), "x") + table)
    assert import_project(folder).challenge == "finance"
    (folder / "README.md").write_text("\n".rjust(200_001 - len(table), "x") + table)
    with pytest.raises(HarnessError, match="which challenge"):
        import_project(folder)


# Findings.


def verdicts(**changes: Any) -> dict[str, str]:
    """Return topic -> kind of the reference entry's claim with some values changed."""
    value = copy.deepcopy(CLAIM)
    for place, new in changes.items():
        part = value
        *path, last = place.split("__")
        for name in path:
            part = part[int(name)] if isinstance(part, list) else part[name]
        part[last] = new
    return {item.topic: item.kind for item in claim_findings(ClaimRecord.model_validate(value))}


def quote(text: str, unit: str = "") -> dict[str, str]:
    return {"text": text, "unit": unit, "file": "README.md"}


HOLDS, FAILS = "recomputes", "contradicts"


@pytest.mark.parametrize(("off", "kind"), [(0.9e-9, HOLDS), (1.1e-9, FAILS)])
def test_an_accuracy_file_is_the_recount_s_to_nine_digits(off: float, kind: str) -> None:
    recount = CLAIM["sets"][0]["recount"]
    share = recount["correct"] / recount["examples"]
    # Relative to the value, 1e-9 as well: `isclose` takes the wider of the two.
    found = verdicts(sets__0__fraction=quote(repr(share + off)))
    assert found["fpb: accuracy file"] == kind


@pytest.mark.parametrize(
    ("digits", "off", "kind"), [(4, 0, HOLDS), (4, 2e-4, FAILS), (3, 0, FAILS)]
)
def test_an_accuracy_file_in_percent_is_the_recount_s_to_two_decimals(
    digits: int, off: float, kind: str
) -> None:
    recount = CLAIM["sets"][0]["recount"]
    share = recount["correct"] / recount["examples"]
    found = verdicts(sets__0__fraction=quote(f"{share + off:.{digits}f}"))
    assert found["fpb: accuracy file"] == kind


@pytest.mark.parametrize(
    ("clock", "kind"), [("00:32:04", HOLDS), ("00:32:05", HOLDS), ("00:32:06", FAILS)]
)
def test_a_clock_is_within_a_second_of_its_seconds(clock: str, kind: str) -> None:
    """1924.52 s are 32 minutes and 4.52 s."""
    found = verdicts(costs__seconds=quote("1924.52"), costs__clock=quote(clock))
    assert found["runtime"] == kind


@pytest.mark.parametrize(("per_hour", "kind"), [("0.3014", HOLDS), ("0.3016", FAILS)])
def test_a_price_table_adds_up_to_a_thousandth(per_hour: str, kind: str) -> None:
    prices = [quote("0.2"), quote("0.1005")]
    found = verdicts(costs__prices=prices, costs__per_hour=quote(per_hour))
    assert found["price table"] == kind


@pytest.mark.parametrize(
    ("total", "kind"), [("0.19", HOLDS), ("0.20", HOLDS), ("0.18", FAILS), ("0.21", FAILS)]
)
def test_a_cost_is_right_to_its_last_digit(total: str, kind: str) -> None:
    """Half an hour at 0.39 is 0.195."""
    found = verdicts(
        costs__seconds=quote("1800"), costs__per_hour=quote("0.39"), costs__total=quote(total)
    )
    assert found["cost"] == kind


@pytest.mark.parametrize(
    ("stated", "kind"), [("60.01", HOLDS), ("60.02", FAILS), ("59.99", HOLDS), ("59.98", FAILS)]
)
def test_an_average_is_right_to_its_last_digit_and_half_of_one(stated: str, kind: str) -> None:
    """The mean of 60, 60 and 60: each figure may have been cut."""
    percents = {f"sets__{i}__percent": quote("60.00", "%") for i in range(3)}
    found = verdicts(average=quote(stated, "%"), **percents)
    assert found["average"] == kind


@pytest.mark.parametrize(
    ("text", "unit", "kind"),
    [
        ("11005.66", "MB", HOLDS), ("11005.66", "MiB", HOLDS), ("11005.66", "megabytes", HOLDS),
        ("10.75", "GB", HOLDS), ("10.75", "GiB", HOLDS), ("10.75", "gigabytes", HOLDS),
        ("11.01", "GB", FAILS), ("11005.64", "MB", FAILS),
    ],
)  # fmt: skip
def test_a_gb_of_upstream_is_1024_of_its_mb(text: str, unit: str, kind: str) -> None:
    """The reference entry moved 11005.66 MiB, which are 10.748 GiB."""
    assert verdicts(traffic__stated=quote(text, unit))["communication"] == kind


@pytest.mark.parametrize(("rank", "derived"), [(65_536, True), (65_537, False)])
def test_a_rank_beyond_65_536_is_no_adapter_s(rank: int, derived: bool) -> None:
    found = verdicts(config__rank=rank, traffic__log_total=quote("11005.66", "MB"))
    assert (found.get("communication: shapes", "missing") != "missing") is derived


@pytest.mark.parametrize(("rounds", "derived"), [(10**6, True), (10**6 + 1, False)])
def test_more_than_a_million_rounds_are_no_run_s(rounds: int, derived: bool) -> None:
    found = verdicts(config__rounds=rounds, traffic__log_total=quote("11005.66", "MB"))
    assert (found.get("communication: shapes", "missing") != "missing") is derived


@pytest.mark.parametrize(("mib", "over"), [("200000", False), ("200001", True)])
def test_the_limit_is_kept_up_to_its_last_mib(mib: str, over: bool) -> None:
    found = verdicts(traffic__stated=quote(mib, "MB"))
    assert ("communication: limit" in found) is over
