"""The model of the wheel has the same files, whichever version of transformers converted it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.sources.gguf_model import FIRST_WRITER, name_first_writer

FILES = ("config.json", "generation_config.json")


@pytest.mark.parametrize("version", ["5.23.0", "5.24.0", "6.0.0.dev0"])
def test_files_do_not_tell_who_wrote_them(version: str, tmp_path: Path) -> None:
    for name in FILES:
        text = json.dumps({"a": 1, "transformers_version": version, "z": [1.0]}, indent=2)
        (tmp_path / name).write_text(text + "\n")
    name_first_writer(tmp_path)
    for name in FILES:
        expected = {"a": 1, "transformers_version": FIRST_WRITER, "z": [1.0]}
        assert (tmp_path / name).read_text() == json.dumps(expected, indent=2) + "\n"


def test_a_file_that_names_no_version_is_an_error(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("{}\n")
    with pytest.raises(ValueError, match="0 times transformers_version"):
        name_first_writer(tmp_path)
