"""Digests of sets of files: their form is in published records and never changes."""

from __future__ import annotations

import hashlib

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
