"""What is kept between records: our own tables once, and of strangers' values a bounded number."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import harness.verify
from harness.boards.leaks import pinned_leaks
from harness.boards.rows import pinned_digests
from harness.verify.independent.adapter_shapes import near_square
from harness.verify.independent.known_models import known_model
from harness.verify.rules.evaluation.answers import target_matches
from harness.verify.rules.evaluation.scores import interval


def caches() -> Iterator[tuple[str, Any]]:
    for item in pkgutil.walk_packages(harness.verify.__path__, "harness.verify."):
        for name, value in vars(importlib.import_module(item.name)).items():
            if hasattr(value, "cache_info") and value.__module__ == item.name:
                yield f"{item.name}.{name}", value


@pytest.mark.parametrize("function", [near_square, target_matches, interval])
def test_answers_about_strangers_values_are_kept_up_to_a_number(function: Any) -> None:
    assert function.cache_info().maxsize is not None


def test_only_our_own_tables_are_kept_without_a_bound() -> None:
    endless = {name for name, value in caches() if value.cache_info().maxsize is None}
    # Of recipes, a board's name is looked up before the table is.
    assert endless == {
        "harness.verify.independent.known_models._by_name",
        "harness.verify.independent.known_recipes.known_recipes",
    }


def test_our_own_tables_are_read_once() -> None:
    assert pinned_digests("finance") is pinned_digests("finance")
    assert pinned_leaks("finance") is pinned_leaks("finance")
    hub_id = "HuggingFaceTB/SmolLM2-1.7B-Instruct"
    assert known_model(hub_id) is known_model(hub_id) is not None
