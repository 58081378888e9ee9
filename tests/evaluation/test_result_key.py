"""Rows of another evaluation are set aside, and it is said how many they are and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import OtherAnswersError
from harness.evaluation.result_key import DECODER_VERSION, ResultKey, open_generations

KEY = ResultKey(
    adapter_sha256="a" * 64, adapter_config_sha256="b" * 64, model_sha256="c" * 64,
    protocol="d" * 64, decoder_version=DECODER_VERSION, rows=None, smoke=False, device="cpu",
    packages={"torch": "2.13.0"},
)  # fmt: skip
OTHERS: dict[str, tuple[Any, str]] = {
    "adapter_sha256": ("e" * 64, "another adapter"),
    "adapter_config_sha256": ("e" * 64, "other settings of the adapter"),
    "model_sha256": ("e" * 64, "another model"),
    "protocol": ("e" * 64, "other rules of the evaluation"),
    "decoder_version": (0, f"decoder version 0 (now {DECODER_VERSION})"),
    "rows": (20, "rows of each set: 20 (now all)"),
    "smoke": (True, "smoke run: yes (now no)"),
    "device": ("cuda", "device cuda (now cpu)"),
    "packages": ({"torch": "2.12.0"}, "torch 2.12.0 (now 2.13.0)"),
}


def kept(run_dir: Path, key: ResultKey, rows: int) -> None:
    """Let an evaluation under `key` have kept rows of two sets, of which one is not finished."""
    folder = open_generations(run_dir, key)
    (folder / "fpb.jsonl").write_text("{}\n" * (rows - 1))
    (folder / "fiqa.partial.jsonl").write_text("{}\n")


def test_every_part_of_a_key_is_told() -> None:
    assert OTHERS.keys() == ResultKey.model_fields.keys()


@pytest.mark.parametrize("part", OTHERS)
def test_rows_that_are_set_aside_are_counted_with_the_reason(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value, said = OTHERS[part]
    kept(tmp_path, KEY.with_values(**{part: value}), 3)
    assert capsys.readouterr().err == ""
    open_generations(tmp_path, KEY)
    [aside] = tmp_path.glob("generations.*")
    assert capsys.readouterr().err == (
        f"{tmp_path / 'generations'}: 3 rows not used, answered with {said}; kept in {aside.name}\n"
    )


def test_a_finished_run_keeps_its_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path, KEY.with_values(packages={"torch": "2.12.0"}), 3)
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(OtherAnswersError) as raised:
        open_generations(tmp_path, KEY)
    assert "with torch 2.12.0 (now 2.13.0); the answers stay with the result" in str(raised.value)
    assert f"harness reproduce {tmp_path} --evaluation" in str(raised.value)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["generations"]
    assert capsys.readouterr().err == ""


def test_nothing_is_said_where_no_row_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_generations(tmp_path, KEY.with_values(device="cuda"))
    open_generations(tmp_path, KEY)
    open_generations(tmp_path, KEY)
    assert capsys.readouterr().err == ""


def test_several_reasons_stand_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path, KEY.with_values(adapter_sha256="e" * 64, packages={"peft": "1"}), 2)
    open_generations(tmp_path, KEY)
    [line] = capsys.readouterr().err.splitlines()
    assert (
        "2 rows not used, answered with another adapter, peft 1 (now none), torch none (now 2.13"
        in line
    )
