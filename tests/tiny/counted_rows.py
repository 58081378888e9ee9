"""Rows that trainers leave out, counted once for all trainers of equal settings."""

from __future__ import annotations

from typing import Any

import pytest

Counted = dict[str, tuple[int, int]]
"""Settings -> (rows left out, all rows)."""


def count_rows_once(monkeypatch: pytest.MonkeyPatch, counted: Counted) -> None:
    """Have trainers of equal settings count the rows that they leave out once.

    A trainer of the tiny model reads all 1,600 rows for that, which takes three times what all
    else of it does. Where rows are rewritten in code each counts its own.
    """
    from harness.document import digest_of
    from harness.training.rows.examples import as_they_are
    from harness.training.rows.partitions import Partitions

    count = Partitions.left_out

    def once(self: Any, train: Any, tokenizer: Any, rewrite: Any = as_they_are) -> tuple[int, int]:
        if rewrite is not as_they_are or self._training_file is not None:
            return count(self, train, tokenizer, rewrite)
        key = f"{digest_of(self._challenge)} {digest_of(train)} {tokenizer.name_or_path}"
        if key not in counted:
            counted[key] = count(self, train, tokenizer, rewrite)
        return counted[key]

    monkeypatch.setattr(Partitions, "left_out", once)
