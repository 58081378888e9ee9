"""Digests of files and of sets of files: the form of these is in published records for good."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.document import file_digests, sha256_file
from harness.document.file_digests import sha256_of_set

FILES = {"a-b/x": "1" * 64, "a/x": "2" * 64, "z": "3" * 64}


def test_a_set_s_digest_is_that_of_its_sorted_lines() -> None:
    lines = f"a-b/x:{'1' * 64}\na/x:{'2' * 64}\nz:{'3' * 64}\n"
    assert sha256_of_set(FILES) == hashlib.sha256(lines.encode()).hexdigest()
    assert sha256_of_set(dict(reversed(FILES.items()))) == sha256_of_set(FILES)


def test_a_plugin_s_files_are_sorted_folder_by_folder() -> None:
    lines = f"a/x:{'2' * 64}\na-b/x:{'1' * 64}\nz:{'3' * 64}\n"
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert sha256_of_set(FILES, folder_by_folder=True) == expected


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 5000])
def test_a_digest_that_a_thread_took_is_the_file_s_and_answers_one_question(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    expected = sha256_file(path)
    file_digests.begin(path)
    assert file_digests.begun[str(path)].result() == expected
    path.write_bytes(content + b"more")
    assert sha256_file(path) == expected
    assert sha256_file(path) != expected
    assert str(path) not in file_digests.begun


def test_a_file_that_cannot_be_read_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "gone.safetensors"
    file_digests.begin(path)
    with pytest.raises(FileNotFoundError):
        sha256_file(path)
