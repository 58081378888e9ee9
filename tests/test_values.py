"""Values of the light rooms are frozen: what was checked stays what it was."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import pytest

ROOMS = ("boards", "document", "planning", "scoring", "verify")
MUTABLE = {"FilesRead", "_Digesting"}
"""They collect while files are read."""
OPEN = MUTABLE | {"Submission", "Generations"}
"""They hold more than their fields: what is derived once is kept beside them."""


def modules() -> Iterator[str]:
    for room in ROOMS:
        package = importlib.import_module(f"harness.{room}")
        for item in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".execution" not in item.name:
                yield item.name


@pytest.mark.parametrize("name", list(modules()))
def test_a_dataclass_is_frozen_and_holds_its_fields_only(name: str) -> None:
    for value in vars(importlib.import_module(name)).values():
        if isinstance(value, type) and is_dataclass(value) and value.__module__ == name:
            kind: Any = value
            assert kind.__dataclass_params__.frozen is (kind.__name__ not in MUTABLE), kind
            assert ("__slots__" in vars(kind)) is (kind.__name__ not in OPEN), kind
